import { type ProblemList } from '../platform/problems';
import { isModule } from './host-statements';
import { isTrivia, keywordOf, tokenizeSql, type SqlToken } from './sql-tokens';

const worthALook = /\b(?:database|fulltext|backup|restore|reconfigure|commit|rollback|tran|transaction|use)\b/i;
const sqlcmdVariable = /\$\(\s*\w+\s*\)/;

/**
 * Reports what is legal but likely to surprise in a build: statements that SQL Server refuses inside a transaction,
 * scripts that end the build's transaction themselves, USE in the middle of a line, and leftovers of other tools.
 *
 * @param text one batch as it will be executed
 * @param firstLine 1-based line of the script on which the batch begins
 */
export function lintBatch(text: string, firstLine: number, warnings: ProblemList): void {
  const variable = sqlcmdVariable.exec(text);
  if (variable !== null) {
    const line = firstLine + text.slice(0, variable.index).split(/\r\n|\r|\n/).length - 1;
    const message = `${variable[0]} looks like a sqlcmd variable. It is sent as it stands.`;
    warnings.add('package.script.sqlcmdVariable', message, null, line);
  }
  if (!worthALook.test(text) || isModule(text)) return;

  const ahead: SqlToken[] = [];
  let before = '';
  let depth = 0;
  const look = (): void => {
    const [first, second, third] = ahead;
    if (first === undefined) return;
    const keyword = keywordOf(text, first);
    if (keyword === '(') depth += 1;
    if (keyword === ')') depth -= 1;
    const remark =
      before === '.' || depth > 0 ? null : remarkOn(keyword, keywordOf(text, second), keywordOf(text, third));
    if (remark !== null) warnings.add(remark.code, remark.message, null, first.line + firstLine - 1);
    before = keyword;
    ahead.shift();
  };
  for (const token of tokenizeSql(text)) {
    if (isTrivia(token)) continue;
    if (ahead.push(token) === 3) look();
  }
  look();
  look();
}

function remarkOn(first: string, second: string, third: string): { code: string; message: string } | null {
  const statement = statementOutsideTransactions(first, second, third);
  if (statement !== null) {
    const message = `${statement} does not run inside a transaction. Build this package without one.`;
    return { code: 'package.script.notTransactional', message };
  }
  const isTransaction = second === 'TRAN' || second === 'TRANSACTION';
  if (first === 'COMMIT' || first === 'ROLLBACK' || (first === 'BEGIN' && isTransaction)) {
    const name = isTransaction ? `${first} ${second}` : first;
    const message = `${name} touches the build's own transaction, which a script must leave as it was.`;
    return { code: 'package.script.transaction', message };
  }
  if (first === 'USE') {
    const message = 'USE in the middle of a line is not taken out: the rest of the script runs in that database.';
    return { code: 'package.script.use', message };
  }
  return null;
}

function statementOutsideTransactions(first: string, second: string, third: string): string | null {
  const isDefinition = first === 'CREATE' || first === 'ALTER' || first === 'DROP';
  if (isDefinition && second === 'DATABASE' && third !== 'SCOPED' && third !== 'AUDIT') return `${first} DATABASE`;
  if (isDefinition && second === 'FULLTEXT') return `${first} FULLTEXT`;
  if ((first === 'BACKUP' || first === 'RESTORE') && (second === 'DATABASE' || second === 'LOG')) return first;
  return first === 'RECONFIGURE' ? first : null;
}
