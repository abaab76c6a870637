import { tokenizeSql, type SqlTokenKind } from './sql-tokens';

/** What the tokens stand for; null is ''. A build without a package file is called `sbx file`. */
export interface TokenValues {
  buildDescription: string | null;
  buildPackageHash: string | null;
  buildFileName: string | null;
}

const tokenPattern = /#(BuildDescription|BuildPackageHash|BuildFileName)#/gi;

/**
 * Replaces `#BuildDescription#`, `#BuildPackageHash#` and `#BuildFileName#`, in any letter case. A value is data: it is
 * not searched for tokens again, and inside a string, a quoted name or a comment it cannot end that. Returns a new text;
 * batches are shared by all targets of a build.
 */
export function replaceTokens(text: string, values: TokenValues): string {
  if (text.search(tokenPattern) === -1) return text;
  const replacements = new Map([
    ['builddescription', values.buildDescription ?? ''],
    ['buildpackagehash', values.buildPackageHash ?? ''],
    ['buildfilename', values.buildFileName ?? 'sbx file'],
  ]);
  let result = '';
  let code = '';
  const replace = (part: string, kind: SqlTokenKind): string =>
    part.replace(tokenPattern, (_token, name: string) => contained(replacements.get(name.toLowerCase()) ?? '', kind));
  // A token in code is several words and symbols to the tokenizer, so code is looked at in one piece.
  for (const { kind, start, end } of tokenizeSql(text)) {
    if (isContainer(kind)) {
      result += replace(code, 'word') + replace(text.slice(start, end), kind);
      code = '';
    } else {
      code += text.slice(start, end);
    }
  }
  return result + replace(code, 'word');
}

function isContainer(kind: SqlTokenKind): boolean {
  return (
    kind === 'string' ||
    kind === 'bracketedName' ||
    kind === 'quotedName' ||
    kind === 'lineComment' ||
    kind === 'blockComment'
  );
}

function contained(value: string, kind: SqlTokenKind): string {
  switch (kind) {
    case 'string':
      return value.replaceAll("'", "''");
    case 'bracketedName':
      return value.replaceAll(']', ']]');
    case 'quotedName':
      return value.replaceAll('"', '""');
    case 'lineComment':
      return value.replace(/[\r\n]+/g, ' ');
    case 'blockComment':
      return value.replaceAll('*/', '* /').replaceAll('/*', '/ *');
    default:
      return value;
  }
}
