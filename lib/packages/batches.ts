import { type InputProblem } from '../platform/errors';
import { createProblemList, type ProblemList } from '../platform/problems';
import { removeHostStatements } from './host-statements';
import { packageLimits, type PackageLimits } from './limits';
import { lintBatch } from './lint';
import { type ScriptBatch } from './model';
import { isTrivia, keywordOf, tokenizeSql, type SqlToken } from './sql-tokens';

export interface BatchReading {
  batches: ScriptBatch[];
  /** Would surely fail on the server, or mean something else there than it says. Without an entry name. */
  problems: InputProblem[];
  /** Likely to surprise. */
  warnings: InputProblem[];
}

export interface BatchOptions {
  stripTransactionText: boolean;
  limits?: Pick<PackageLimits, 'goRepeat' | 'batchesPerScript' | 'problems'>;
}

/**
 * Splits a script into the batches that are executed: on `GO`, as SQL Server Management Studio understands it.
 *
 * `GO` counts in any letter case, alone on its line but for blanks, comments and a repeat count, and never inside a
 * string, a quoted name or a comment. A batch keeps its text as written, up to the line of its GO; batches that hold
 * nothing but blanks are dropped, comments are sent. `GO 0` means not at all. `USE` at the beginning of a line is taken
 * out, because the target decides the database, and so is transaction text when the script asks for it.
 */
export function splitBatches(text: string, options: BatchOptions): BatchReading {
  const limits = options.limits ?? packageLimits;
  const problems = createProblemList(limits.problems, 'package.script.more');
  const warnings = createProblemList(limits.problems, 'package.script.more');
  const batches: ScriptBatch[] = [];
  for (const raw of cutAtGo(text, limits, problems, warnings)) {
    const removal = removeHostStatements(raw.text, options.stripTransactionText);
    if (removal.leavesNothing) continue;
    lintBatch(removal.text, raw.line, warnings);
    batches.push({ text: removal.text, line: raw.line, repeat: raw.repeat });
  }
  return { batches, problems: problems.list(), warnings: warnings.list() };
}

/** The batches as written. Reports what is wrong with the directives between them. */
function* cutAtGo(
  text: string,
  limits: Pick<PackageLimits, 'goRepeat' | 'batchesPerScript'>,
  problems: ProblemList,
  warnings: ProblemList,
): Generator<ScriptBatch> {
  let start = 0;
  let line = 1;
  let separators = 0;
  let directive: GoDirective | null = null;
  const batch = (end: number, repeat: number): ScriptBatch | null => {
    const written = text.slice(start, end);
    return repeat > 0 && /\S/.test(written) ? { text: written, line, repeat } : null;
  };

  for (const token of tokenizeSql(text)) {
    if (!token.terminated) problems.add('package.script.unterminated', unterminatedMessage(token), null, token.line);
    if (directive !== null) {
      if (token.kind === 'newline') {
        const closed = batch(directive.start, repeatOf(directive, limits.goRepeat, problems, warnings));
        if (closed !== null) yield closed;
        start = token.end;
        line = token.line + 1;
        directive = null;
      } else if (!isTrivia(token) && directive.operands.length < 2) {
        directive.operands.push(text.slice(token.start, token.end));
      }
    } else if (isGo(token, text)) {
      separators += 1;
      if (separators === limits.batchesPerScript) {
        const message = `A script may have at most ${limits.batchesPerScript} batches.`;
        problems.add('package.script.tooManyBatches', message, null, token.line);
        return;
      }
      directive = { start: startOfBlanks(text, token.start), line: token.line, operands: [] };
    } else if (token.firstOnLine && token.kind === 'symbol') {
      const command = sqlcmdCommand(token, text);
      if (command !== null) problems.add('package.script.sqlcmd', sqlcmdMessage(command), null, token.line);
    }
  }
  const last =
    directive === null
      ? batch(text.length, 1)
      : batch(directive.start, repeatOf(directive, limits.goRepeat, problems, warnings));
  if (last !== null) yield last;
}

interface GoDirective {
  /** Where its line's blanks begin: they do not belong to the batch before it. */
  start: number;
  line: number;
  /** What stands behind GO; anything but one number is wrong, so two are enough to know. */
  operands: string[];
}

/** `go.id` and `go(1)` are uses of a name; the predecessor and the server take them for that too. */
function isGo(token: SqlToken, text: string): boolean {
  if (!token.firstOnLine || token.end - token.start !== 2 || keywordOf(text, token) !== 'GO') return false;
  return /^(?:[\s;]|--|\/\*|$)/.test(text.slice(token.end, token.end + 2));
}

function startOfBlanks(text: string, position: number): number {
  let start = position;
  while (start > 0 && (text[start - 1] === ' ' || text[start - 1] === '\t')) start -= 1;
  return start;
}

function repeatOf(go: GoDirective, limit: number, problems: ProblemList, warnings: ProblemList): number {
  const [operand, ...others] = go.operands;
  if (operand === undefined) return 1;
  if (!/^\d+$/.test(operand) || others.length > 0) {
    const message = 'Only a repeat count or a comment may follow GO on its line.';
    problems.add('package.script.goSyntax', message, null, go.line);
    return 1;
  }
  const repeat = Number(operand);
  if (repeat > limit) {
    const message = `GO ${operand.slice(0, 20)} repeats more often than the ${limit} times that are allowed.`;
    problems.add('package.script.goCount', message, null, go.line);
    return 1;
  }
  if (repeat === 0) {
    warnings.add('package.script.goZero', 'GO 0: the batch before it is never executed.', null, go.line);
  }
  return repeat;
}

const sqlcmdPattern =
  /^:(?:r|setvar|connect|on\s+error|out|error|exit|quit|list|listvar|reset|help|ed|xml|perftrace|serverlist)(?![\w@#$])/i;

function sqlcmdCommand(token: SqlToken, text: string): string | null {
  const head = text.slice(token.start, token.start + 40);
  return head.startsWith('!!') ? '!!' : (sqlcmdPattern.exec(head)?.[0] ?? null);
}

/** The server would report a syntax error for it, in every database. */
function sqlcmdMessage(command: string): string {
  return `${command} is a sqlcmd command. Scripts run without sqlcmd: resolve it before packaging.`;
}

function unterminatedMessage({ kind }: SqlToken): string {
  const names: Partial<Record<SqlToken['kind'], string>> = {
    string: 'string',
    blockComment: 'block comment',
    bracketedName: 'bracketed name',
    quotedName: 'quoted name',
  };
  return `The ${names[kind] ?? kind} that begins here never ends.`;
}
