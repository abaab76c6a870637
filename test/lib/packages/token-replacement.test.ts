import { replaceTokens } from '../../../lib/packages/token-replacement';

const values = { buildDescription: 'release 7', buildPackageHash: 'C8EC', buildFileName: 'a.sbm' };
const replace = (text: string, description: string): string =>
  replaceTokens(text, { ...values, buildDescription: description });

test('tokens are replaced in any letter case, wherever they stand', () => {
  expect(replaceTokens("PRINT '#BUILDdescription#' -- #BuildPackageHash# [#buildfilename#]", values)).toBe(
    "PRINT 'release 7' -- C8EC [a.sbm]",
  );
  expect(replaceTokens('INSERT t VALUES (#BuildPackageHash#)', values)).toBe('INSERT t VALUES (C8EC)');
});

test('a value that is missing is empty, a package without a file has a name', () => {
  const nothing = { buildDescription: null, buildPackageHash: null, buildFileName: null };
  expect(replaceTokens('#BuildDescription#|#BuildPackageHash#|#BuildFileName#', nothing)).toBe('||sbx file');
});

test.each(['cost $1 $$ $& $0', '#BuildFileName#', '\\1'])('the value %s is data: nothing in it is special', (value) => {
  expect(replace('a #BuildDescription# b', value)).toBe(`a ${value} b`);
});

test.each([
  ["PRINT 'x #BuildDescription#'", "it's'); DROP TABLE t --", "PRINT 'x it''s''); DROP TABLE t --'"],
  ['SELECT [#BuildDescription#]', 'a]b', 'SELECT [a]]b]'],
  ['SELECT "#BuildDescription#"', 'a"b', 'SELECT "a""b"'],
  ['-- #BuildDescription#\nx', 'a\r\nDROP TABLE t', '-- a DROP TABLE t\nx'],
  ['/* #BuildDescription# */', 'a */ DROP TABLE t /*', '/* a * / DROP TABLE t / * */'],
])('in %j a value cannot get out', (text, value, expected) => {
  expect(replace(text, value)).toBe(expected);
});

test('other text between number signs stays', () => {
  const text = 'SELECT * FROM #BuildTable# WHERE #Build = 1';
  expect(replaceTokens(text, values)).toBe(text);
});
