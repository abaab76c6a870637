import { type BuildView } from '../../lib/builds/view';
import { scripts } from '../e2e/cloud';
import { type Database, type FaultyCloud } from './faulty-cloud';

/** Effects that no constraint keeps unique: a row for each run of a script, with the time that it was at work. */
export function countingScripts(label: string, middle = 'SELECT 1;') {
  const effect = (script: number, work: string): string =>
    `DECLARE @began datetime2 = SYSUTCDATETIME();\n${work}\n` +
    `INSERT INTO dbo.Effect (Label, Script, BeganAt, EndedAt) VALUES ('${label}', ${script}, @began, SYSUTCDATETIME());`;
  return scripts({
    [`${label}-1.sql`]: `-- ${label}\nIF OBJECT_ID(N'dbo.Effect', N'U') IS NULL
      CREATE TABLE dbo.Effect (Label varchar(40) NOT NULL, Script int NOT NULL, BeganAt datetime2 NOT NULL, EndedAt datetime2 NOT NULL);`,
    [`${label}-2.sql`]: effect(2, 'SELECT 1;'),
    [`${label}-3.sql`]: effect(3, middle),
  });
}

export interface Effect {
  database: Database;
  script: unknown;
  beganMs: number;
  endedMs: number;
}

/** The effects of one label in all databases that have any. */
export async function effectsOf(faulty: FaultyCloud, label: string): Promise<Effect[]> {
  const perDatabase = await Promise.all(
    faulty.databases().map(async (database) => {
      const rows = await faulty.query(
        database,
        `IF OBJECT_ID(N'dbo.Effect', N'U') IS NOT NULL SELECT Script, BeganAt, EndedAt FROM dbo.Effect WHERE Label = '${label}' ORDER BY Script`,
      );
      return rows.map(([script, began, ended]) => ({
        database,
        script,
        beganMs: timeOf(began),
        endedMs: timeOf(ended),
      }));
    }),
  );
  return perDatabase.flat();
}

function timeOf(value: unknown): number {
  if (value instanceof Date) return value.getTime();
  throw new Error(`${String(value)} is no time`);
}

/**
 * What must hold after any fault: the build has ended; every target has exactly one current outcome; the counts are those of
 * the outcomes; every script took effect exactly once where its target is said to be committed, and nowhere else.
 */
export async function expectSound(
  faulty: FaultyCloud,
  buildId: string,
  label: string,
  except = '',
): Promise<BuildView> {
  const build = await faulty.cloud.ended(buildId);
  expect(build).toMatchObject({ inFlight: 0, waiting: 0, waitingFor: null });
  const outcomes = await faulty.outcomes(buildId);
  await faulty.clearFaults();
  expect(new Set(outcomes.map(({ targetId }) => targetId)).size).toBe(build.targets.count);
  expect(outcomes).toHaveLength(build.targets.count);
  for (const [status, count] of Object.entries(build.counts)) {
    expect([status, outcomes.filter((outcome) => outcome.status === status).length]).toEqual([status, count]);
  }
  const effects = (await effectsOf(faulty, label))
    .map(({ database, script }) => `${database.server}:${database.database} ${String(script)}`)
    .filter((effect) => except === '' || !effect.startsWith(except));
  const committed = outcomes
    .filter(({ status }) => status === 'committed')
    .flatMap(({ server, databases }) => databases.flatMap((name) => [`${server}:${name} 2`, `${server}:${name} 3`]));
  expect(effects.sort()).toEqual(committed.sort());
  return build;
}
