import { createProblemList, type ProblemList } from '../platform/problems';
import { decodeText } from '../platform/text-encoding';
import { parseLine } from './cfg-line';
import { targetLimits, type TargetLimits } from './limits';
import { type Target, type TargetsReading } from './model';
import { isMultiDbJson, readMultiDbJson } from './multi-db';
import { databasesKey } from './target';

/**
 * Reads a target file: one target per line (`.cfg`), or the predecessor's `.multiDb` as JSON. Every problem is reported
 * at once with its line. UTF-8, or UTF-16 with a byte order mark; any kind of line end.
 */
export function parseTargets(input: string | Buffer, limits: TargetLimits = targetLimits): TargetsReading {
  const problems = createProblemList(limits.problems, 'targets.more');
  const text = typeof input === 'string' ? input : decode(input, problems);
  const targets: Target[] = [];
  if (text !== null && /^\ufeff?\s*</.test(text)) {
    problems.add('targets.xml', 'The XML form of .multiDb is not supported; save it as JSON or as .cfg.');
  } else if (text !== null && text.length <= limits.fileBytes) {
    const found = isMultiDbJson(text) ? readMultiDbJson(text, limits, problems) : readLines(text, limits, problems);
    collect(found, targets, limits, problems);
  } else if (text !== null) {
    problems.add('targets.tooLarge', `A target file may have at most ${limits.fileBytes} bytes.`);
  }
  if (targets.length === 0 && problems.count === 0) problems.add('targets.empty', 'There are no targets.');
  return problems.count === 0
    ? { valid: true, targets, problems: [] }
    : { valid: false, targets, problems: problems.list() };
}

function decode(bytes: Buffer, problems: ProblemList): string | null {
  const decoded = decodeText(bytes);
  if (typeof decoded !== 'string' && decoded.faultyLines.length === 0) return decoded.text;
  const line = typeof decoded === 'string' ? null : (decoded.faultyLines[0] ?? null);
  problems.add('targets.encoding', 'The target file is neither UTF-8 nor UTF-16 with a byte order mark.', null, line);
  return null;
}

/** Walks the text instead of splitting it: a file of a whole fleet is read line by line. */
function* readLines(text: string, limits: TargetLimits, problems: ProblemList): Generator<Target> {
  const servers = new Map<string, string>();
  const end = /\r\n|\r|\n/g;
  let start = text.startsWith('\ufeff') ? 1 : 0;
  for (let line = 1; start <= text.length; line += 1) {
    end.lastIndex = start;
    const newline = end.exec(text);
    const target = parseLine(text.slice(start, newline?.index ?? text.length), line, limits, problems);
    if (target !== null) yield { ...target, server: shared(servers, target.server) };
    if (newline === null) return;
    start = end.lastIndex;
  }
}

/** One string per server instead of one per line. */
function shared(servers: Map<string, string>, server: string): string {
  const known = servers.get(server);
  if (known !== undefined) return known;
  servers.set(server, server);
  return server;
}

function collect(found: Iterable<Target>, targets: Target[], limits: TargetLimits, problems: ProblemList): void {
  const lines = new Map<string, number>();
  for (const target of found) {
    const key = databasesKey(target);
    const earlier = lines.get(key);
    if (earlier !== undefined) {
      const message = `The same databases on ${target.server} are already the target of line ${earlier}.`;
      problems.add('targets.duplicate', message, null, target.line);
      continue;
    }
    if (targets.length === limits.targets) {
      problems.add('targets.tooMany', `More than ${limits.targets} targets.`, null, target.line);
      return;
    }
    lines.set(key, target.line);
    targets.push(target);
  }
}
