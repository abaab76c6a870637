import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { type Client, type EngineUnderTest, startEngine } from './engine-under-test';

/** Forty migration scripts that are kept beside the project; each is run in a database of its own and judged by its effect. */

const file = resolve(__dirname, '../../../../shared/vectors/tsql-scripts.json');
const schema = z.object({
  fixture: z.array(z.string()),
  scripts: z.array(
    z.object({
      id: z.number(),
      title: z.string(),
      batches: z.array(z.string()),
      twice: z.boolean().optional(),
      err: z.number().optional(),
      prints: z.array(z.string()).optional(),
      rows: z.number().optional(),
      check: z.string(),
    }),
  ),
});
const present = existsSync(file);
const list = present ? schema.parse(JSON.parse(readFileSync(file, 'utf8'))) : { fixture: [], scripts: [] };

if (!present) test.skip(`the list of migration scripts is not there (${file})`, () => undefined);
else {
  let engine: EngineUnderTest;
  beforeAll(async () => {
    engine = await startEngine();
  });
  afterAll(() => engine.stop());

  test.each(list.scripts.map((script) => [`${script.id} ${script.title}`, script] as const))(
    '%s',
    async (_title, script) => {
      const client = await engine.open(`script${script.id}`);
      for (const batch of list.fixture) expect((await client.run(batch)).errors).toEqual([]);
      for (let time = 1; time <= (script.twice === true ? 2 : 1); time++) {
        const answers = [];
        for (const batch of script.batches) answers.push(await client.run(batch));
        const errors = answers.flatMap((answer) => answer.errors);
        expect(errors.map((error) => error.number)).toEqual(script.err === undefined ? [] : [script.err]);
        if (time === 1) {
          const texts = answers.flatMap((answer) => answer.infos.map((info) => info.message));
          for (const text of script.prints ?? []) expect(texts).toContain(text);
        }
        if (script.rows !== undefined)
          expect(answers.flatMap((answer) => answer.results.flatMap((result) => result.rows))).toHaveLength(
            script.rows,
          );
      }
      expect(await holds(script.check, client)).toBe(true);
      await client.session.close();
    },
  );
}

/** The list's own little predicate language: calls joined by && and comparisons. */
async function holds(check: string, client: Client): Promise<boolean> {
  for (const part of check.split(' && ')) if (!(await holdsPart(part.trim(), client))) return false;
  return true;
}

const unescape = (text: string): string => text.replaceAll("\\'", "'");
const table = (text: string): string => unescape(text).replace(/#(\w+)/g, 'dbo.[$1]');

async function holdsPart(part: string, client: Client): Promise<boolean> {
  const count = /^n\('(\w+)'(?:, (?:"(.*)"|'(.*)'))?\) === (\d+)$/.exec(part);
  if (count !== null) {
    const where = count[2] ?? count[3];
    const found = await client.value(
      `SELECT COUNT(*) FROM dbo.[${count[1]}]${where === undefined ? '' : ` WHERE ${unescape(where)}`}`,
    );
    return found === Number(count[4]);
  }
  const columns = /^\(cols\('(\w+)'\)\)\.(includes\('(\w+)'\)|join\(\) === '([\w,]+)'|length === 0)$/.exec(part);
  if (columns !== null) {
    const names = (
      await client.rows(
        `SELECT LOWER(name) FROM sys.columns WHERE object_id = OBJECT_ID(N'dbo.[${columns[1]}]') ORDER BY column_id`,
      )
    ).map((row) => String(row[0]));
    if (columns[3] !== undefined) return names.includes(columns[3]);
    return columns[4] === undefined ? names.length === 0 : names.join() === columns[4];
  }
  const index = /^index\('(\w+)'\)$/.exec(part);
  if (index !== null) return (await client.value(`SELECT COUNT(*) FROM sys.indexes WHERE name = '${index[1]}'`)) === 1;
  const notNull = /^notnull\('(\w+)', '(\w+)'\)$/.exec(part);
  if (notNull !== null) {
    return (
      (await client.value(
        `SELECT is_nullable FROM sys.columns WHERE object_id = OBJECT_ID('dbo.[${notNull[1]}]') AND name = '${notNull[2]}'`,
      )) === false
    );
  }
  const fails = /^fails\('(.*)'\)$/.exec(part);
  if (fails !== null) return (await client.fails(table(fails[1] ?? ''))).length > 0;
  const near =
    /^Matabs\(\+\(val\('(.*)'\)\) - (\d+)\) < 1e-9$/.exec(part) ?? /^\+\(val\('(.*)'\)\) === ([\d.]+)$/.exec(part);
  if (near !== null) return Math.abs(Number(await client.value(table(near[1] ?? ''))) - Number(near[2])) < 1e-9;
  throw new Error(`not understood: ${part}`);
}
