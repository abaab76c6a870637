import { type Properties } from '../../../../local/broker/core/message';
import { compileSqlFilter } from '../../../../local/broker/core/sql-filter';

const system: Properties = { subject: 'order', messageId: 'm1', sessionId: 's1', correlationId: null };
const application: Properties = {
  cluster: 'managed',
  size: 7,
  ratio: 0.5,
  urgent: true,
  'odd name': "it's",
  path: 'a_b%c',
  empty: null,
};

function matches(expression: string): boolean {
  return compileSqlFilter(expression)({ system, application });
}

describe('the SQL filter language', () => {
  it.each([
    "cluster = 'managed'",
    "user.cluster = 'managed' AND sys.Label = 'order'",
    "cluster <> 'other' and not (size > 10)",
    'size > -1 AND size <= 7 AND ratio = .5 AND size < 1e3',
    "size IN (1, 7) AND cluster NOT IN ('a', 'b')",
    "cluster LIKE 'man%' AND cluster LIKE '_anaged' AND cluster NOT LIKE 'x%'",
    "path LIKE 'a_b%' AND NOT path LIKE 'a.b'",
    'urgent = TRUE OR missing = 1',
    'urgent',
    "[odd name] = 'it''s' AND \"odd name\" <> ''",
    'EXISTS(size) AND NOT EXISTS(missing)',
    'missing IS NULL AND empty IS NULL AND size IS NOT NULL',
    'sys.CorrelationId IS NULL',
    '1=1',
  ])('says yes to %s', (expression) => expect(matches(expression)).toBe(true));

  it.each([
    "cluster = 'MANAGED'",
    'missing = 1',
    'NOT (missing = 1)', // unknown stays unknown
    'missing <> 1',
    "size = '7'",
    'missing IN (1)',
    'missing NOT IN (1)',
    'missing = 1 AND urgent',
    "cluster LIKE 'man'",
    'size',
  ])('says no to %s', (expression) => expect(matches(expression)).toBe(false));

  it.each([
    "cluster = 'open",
    'cluster = ',
    'a b',
    'sys.Nothing = 1',
    'cluster = @unknown',
    '(1 = 1',
    'newid() = 1',
    'size + 1 = 8',
    '',
  ])('refuses %s, and says where', (expression) =>
    expect(() => matches(expression)).toThrow(/not understood at character \d+/),
  );
});
