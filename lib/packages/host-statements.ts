import { codeAfter, isTrivia, keywordOf, tokenizeSql, type SqlToken } from './sql-tokens';

/** A batch without the statements that belong to whoever runs it: the choice of the database and the transaction. */
export interface Removal {
  text: string;
  /** Something was taken out, and nothing but blanks and semicolons is left. */
  leavesNothing: boolean;
}

/**
 * Takes out line-leading `USE name`, and with `stripTransactionText` the words BEGIN, COMMIT and ROLLBACK TRAN[SACTION]
 * with the transaction's name, a bare COMMIT [WORK], and SET TRANSACTION ISOLATION LEVEL SERIALIZABLE. Only whole tokens
 * are taken, so strings, comments and quoted names stay; line ends stay too, so that error lines stay right. A bare
 * ROLLBACK stays, and definitions of procedures, functions and triggers keep their transaction text.
 */
export function removeHostStatements(text: string, stripTransactionText: boolean): Removal {
  const strips = stripTransactionText && /\btran(?:saction)?\b|\bcommit\b/i.test(text) && !isModule(text);
  if (!strips && !/\buse\b/i.test(text)) return { text, leavesNothing: false };

  let result = '';
  let kept = 0; // everything before this offset is in the result, or was taken out
  let depth = 0;
  let before = '';
  let isEmpty = true;
  for (const token of tokenizeSql(text)) {
    if (token.start < kept || token.kind === 'blank' || token.kind === 'newline') continue;
    const keyword = keywordOf(text, token);
    const gone =
      keyword === 'USE' && depth <= 0
        ? useStatement(text, token)
        : strips && before !== '.'
          ? transactionStatement(text, token, keyword)
          : [];
    if (gone.length > 0) {
      result += text.slice(kept, token.start) + triviaBetween(text, gone);
      kept = gone.at(-1)?.end ?? token.end;
      continue;
    }
    if (keyword === '(') depth += 1;
    if (keyword === ')') depth -= 1;
    if (keyword !== ';') isEmpty = false;
    if (!isTrivia(token)) before = keyword;
  }
  return { text: result + text.slice(kept), leavesNothing: isEmpty && kept > 0 };
}

/** Comments and line ends inside of a statement outlive it; plain blanks do not. */
function triviaBetween(text: string, statement: readonly SqlToken[]): string {
  return statement
    .map(({ end }, index) => text.slice(end, statement[index + 1]?.start ?? end))
    .filter((gap) => /\S|[\r\n]/.test(gap))
    .join('');
}

/** Whether the batch creates or alters a procedure, function or trigger: its text is a definition that runs later. */
export function isModule(text: string): boolean {
  const words: string[] = [];
  for (const token of tokenizeSql(text)) {
    if (isTrivia(token)) continue;
    words.push(keywordOf(text, token));
    if (words.length === 4) break;
  }
  const [verb, second, , fourth] = words;
  if (verb !== 'CREATE' && verb !== 'ALTER') return false;
  const kind = second === 'OR' ? fourth : second;
  return kind === 'PROC' || kind === 'PROCEDURE' || kind === 'FUNCTION' || kind === 'TRIGGER';
}

/** `USE name` and its semicolon. Inside parentheses USE is a query hint, and elsewhere on a line it is left alone. */
function useStatement(text: string, use: SqlToken): SqlToken[] {
  const [name, after] = lookAhead(text, use, 2);
  if (!use.firstOnLine || name === undefined || !isIdentifier(name)) return [];
  return after !== undefined && keywordOf(text, after) === ';' ? [use, name, after] : [use, name];
}

const isolation = ['TRANSACTION', 'ISOLATION', 'LEVEL', 'SERIALIZABLE'];

function transactionStatement(text: string, token: SqlToken, keyword: string): SqlToken[] {
  if (keyword === 'SET') {
    const next = lookAhead(text, token, isolation.length);
    return isolation.every((word, index) => keywordOf(text, next[index]) === word) ? [token, ...next] : [];
  }
  if (keyword !== 'BEGIN' && keyword !== 'COMMIT' && keyword !== 'ROLLBACK') return [];
  const [second, name, after] = lookAhead(text, token, 3);
  const secondKeyword = keywordOf(text, second);
  if (second !== undefined && (secondKeyword === 'TRAN' || secondKeyword === 'TRANSACTION')) {
    return name !== undefined && isTransactionName(text, second, name, after) ? [token, second, name] : [token, second];
  }
  if (keyword !== 'COMMIT') return [];
  return second !== undefined && secondKeyword === 'WORK' ? [token, second] : [token];
}

/** The rest of the line behind TRAN, when it can only be the transaction's name. */
function isTransactionName(text: string, tran: SqlToken, name: SqlToken, after: SqlToken | undefined): boolean {
  if (!isIdentifier(name) || name.line !== tran.line || statementWords.has(keywordOf(text, name))) return false;
  return after === undefined || after.line !== name.line || keywordOf(text, after) === ';';
}

function isIdentifier({ kind }: SqlToken): boolean {
  return kind === 'word' || kind === 'bracketedName' || kind === 'quotedName';
}

function lookAhead(text: string, token: SqlToken, count: number): SqlToken[] {
  const ahead: SqlToken[] = [];
  for (const next of codeAfter(text, token)) {
    if (ahead.push(next) === count) break;
  }
  return ahead;
}

/** What may stand behind `COMMIT TRAN` on its line without being a name. */
const statementWords = new Set(
  (
    'ALTER BACKUP BEGIN BREAK BULK CHECKPOINT CLOSE COMMIT CONTINUE CREATE DBCC DEALLOCATE DECLARE DELETE DENY DISABLE ' +
    'DROP ELSE ENABLE END EXEC EXECUTE FETCH GOTO GRANT IF INSERT KILL MERGE OPEN PRINT RAISERROR RECONFIGURE RESTORE ' +
    'RETURN REVERT REVOKE ROLLBACK SAVE SELECT SET THROW TRUNCATE UPDATE USE WAITFOR WHILE WITH'
  ).split(' '),
);
