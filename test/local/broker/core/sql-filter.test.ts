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

function matches(expression: string, parameters: Properties = {}): boolean {
  return compileSqlFilter(expression, parameters)({ system, application });
}

describe('the SQL filter language', () => {
  it.each([
    "cluster = 'managed'",
    "user.cluster = 'managed' AND sys.Label = 'order'",
    "cluster <> 'other' and not (size > 10)",
    'size + 1 = 8 AND size * 2 > 13 AND -size < 0 AND size % 4 = 3 AND size / 2 = 3.5',
    "size IN (1, 7) AND cluster NOT IN ('a', 'b')",
    "cluster LIKE 'man%' AND cluster LIKE '_anaged' AND cluster NOT LIKE 'x%'",
    "path LIKE 'a!_b!%c' ESCAPE '!'",
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

  it('knows parameters', () => {
    expect(matches('cluster = @which', { '@which': 'managed' })).toBe(true);
    expect(matches('cluster = @which', { '@which': 'other' })).toBe(false);
  });

  it.each([
    "cluster = 'open",
    'cluster = ',
    'a b',
    'sys.Nothing = 1',
    'cluster = @unknown',
    '(1 = 1',
    'newid() = 1',
    '',
  ])('refuses %s, and says where', (expression) =>
    expect(() => matches(expression)).toThrow(/not understood at character \d+/),
  );
});
