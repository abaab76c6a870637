import { type Json } from '../../../local/documents/json';
import { compileQuery, type QueryContext } from '../../../local/documents/sql/evaluate';
import { parseQuery } from '../../../local/documents/sql/parser';

const context: QueryContext = { parameters: new Map<string, Json>([['@list', [1, 2]]]), nowMs: 0 };
const document = {
  id: 'a',
  n: 5,
  text: 'Straße 100%',
  nothing: null,
  yes: true,
  list: [
    { k: 'x', v: 1 },
    { k: 'y', v: 2 },
  ],
  deep: { er: [10, 20] },
};

/** The value of an expression about `c`, or 'undefined'. */
const valueOf = (expression: string): unknown => {
  const query = compileQuery(parseQuery(`SELECT VALUE ${expression} FROM c`), context, new Set());
  const [row] = query.rows({}, document);
  const value = row === undefined ? undefined : query.project(row);
  return value === undefined ? 'undefined' : value;
};

describe('an expression', () => {
  it.each([
    // Comparison never crosses types, and what is not there is neither equal nor unequal.
    ['c.n = 5', true],
    ["c.n = '5'", 'undefined'],
    ['c.missing = 1', 'undefined'],
    ['c.missing != 1', 'undefined'],
    ['c.nothing = null', true],
    ['c.nothing = c.missing', 'undefined'],
    ['c.deep = {er: [10, 20]}', true],
    ["c.id < 'b'", true],
    ['c.n BETWEEN 1 AND 5', true],
    ['c.n NOT BETWEEN 1 AND 5', false],
    ['c.n IN (1, 5)', true],
    ['c.n NOT IN (1, 5)', false],
    ['c.n IN ()', false],
    // Three-valued logic.
    ['c.missing AND false', false],
    ['c.missing AND true', 'undefined'],
    ['c.missing OR true', true],
    ['NOT c.missing', 'undefined'],
    ['NOT c.yes = false AND c.n = 5', true],
    // Precedence and arithmetic.
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['-c.n + 1', -4],
    ['7 % 4', 3],
    ["'a' || 'b'", 'ab'],
    ['c.n > 3 ? "big" : "small"', 'big'],
    ['c.missing ?? "default"', 'default'],
    // Access.
    ['c["deep"].er[1]', 20],
    ['c.deep.er[9]', 'undefined'],
    ['[c.n, c.missing, 1]', [5, 1]],
    ['{a: c.n, "b c": c.missing}', { a: 5 }],
    // Text.
    ["c.text LIKE '%100[%]'", true],
    ["c.text LIKE 'stra%'", false],
    ["c.text LIKE '_traße%'", true],
    ["c.text LIKE '%!%' ESCAPE '!'", true],
    ['CONTAINS(c.text, "STRASSE", true)', false],
    ['STARTSWITH(c.text, "stra", true)', true],
    ['UPPER(c.id)', 'A'],
    ['SUBSTRING(c.text, 0, 3)', 'Str'],
    ['REPLACE(c.id, "a", "b")', 'b'],
    ['LENGTH(c.n)', 'undefined'],
    ["'it\\'s\\u0021'", "it's!"],
    // Types, arrays.
    ['IS_DEFINED(c.missing)', false],
    ['IS_NULL(c.nothing)', true],
    ['ARRAY_CONTAINS(@list, 2)', true],
    ['ARRAY_CONTAINS(c.list, {k: "x"})', false],
    ['ARRAY_CONTAINS(c.list, {k: "x"}, true)', true],
    ['ARRAY_LENGTH(c.list)', 2],
    // Subqueries.
    ["EXISTS(SELECT VALUE t FROM t IN c.list WHERE t.k = 'y')", true],
    ['ARRAY(SELECT VALUE t.v FROM t IN c.list)', [1, 2]],
    ['(SELECT VALUE SUM(t.v) FROM t IN c.list)', 3],
  ])('%s is %j', (expression, expected) => {
    expect(valueOf(expression)).toEqual(expected);
  });
});

describe('what is not supported', () => {
  it.each([
    ['SELECT * FROM (SELECT VALUE 1)', 'subquery as a source'],
    ['SELECT * FROM c.items', 'path as a source'],
    ['SELECT udf.f(c) FROM c', 'user defined functions'],
    ['SELECT VALUE ST_DISTANCE(c.a, c.b) FROM c', 'ST_DISTANCE'],
    ['SELECT * FROM c ORDER BY RANK f(c)', 'RANK'],
    ['SELECT c.n FROM c WHERE COUNT(1) > 1', 'COUNT'],
    ['SELECT * FROM c WHERE c.n = @missing', '@missing'],
    ['SELECT * FROM c OFFSET 1', 'LIMIT'],
    ['SELECT * FROM c; DROP', ';'],
    ['UPDATE c', 'SELECT'],
  ])('%s is refused, naming %s', (text, named) => {
    expect(() => compileQuery(parseQuery(text), context, new Set())).toThrow(named);
  });
});
