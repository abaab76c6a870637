import { keptText, readEvent, tellsTheSame } from '../../../lib/events/envelope';
import { matchesGlob } from '../../../lib/events/globs';
import { isOutdated, orderTime, packageOf, serverIdOf } from '../../../lib/events/plan';
import { defaultRoutes, type NewestDocument, routesSchema } from '../../../lib/events/schema';
import { filledIn } from '../../../lib/events/templates';
import { asCloudEvent, resourceEvent, subscriptionTopic } from './samples';

const receivedAt = '2026-03-06T18:00:00Z';

test.each([
  ['Microsoft.Sql/servers*', 'microsoft.sql/SERVERS/databases/write', true],
  ['Microsoft.Sql/servers*', 'Microsoft.Sql/managedInstances/write', false],
  ['*', '', true],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['*/deployments/p-*-x', '/s/deployments/p-1-2-x', true],
  ['*/deployments/p-*-x', '/s/deployments/p-1-2-y', false],
  ['a**b', 'ab', true],
  ['a.b', 'axb', false],
  [`${'*a'.repeat(60)}b`, 'a'.repeat(2_000), false],
])('the pattern %s and %s: %s', (pattern, text, fits) => {
  expect(matchesGlob(pattern, text)).toBe(fits);
});

test.each([
  ['without claims', { authorization: undefined, claims: undefined }],
  ['with few claims', { authorization: { evidence: {} }, claims: { ipaddr: '203.0.113.9' } }],
  ['with claims in another form', { authorization: 'none', claims: '{}' }],
])('an event %s is usable: who did it is only asked to know our own', (_what, changes) => {
  const event = resourceEvent();
  const trust = { topics: [subscriptionTopic], ownIdentities: [''] };
  const reading = readEvent({ ...event, data: { ...event.data, ...changes } }, trust, receivedAt);
  expect(reading).toMatchObject({ event: { essence: { kind: 'resource', own: false } } });
});

describe('an event is told with what it says', () => {
  const trust = { topics: [subscriptionTopic], ownIdentities: [] };
  const reasonFor = (raw: unknown): string => {
    const reading = readEvent(raw, trust, receivedAt);
    return 'rejection' in reading ? reading.rejection.reason : 'none';
  };

  it.each([
    ['text', 'hello', 'the event is no Event Grid event: must be an object'],
    [
      'nothing but an id',
      { id: 'x' },
      'the event is no Event Grid event: topic is missing; subject is missing; eventType is missing; eventTime is missing; data is missing',
    ],
    [
      'another time',
      { ...resourceEvent(), eventTime: 'yesterday' },
      'the event is no Event Grid event: eventTime must be a time such as 2026-01-01T00:00:00Z',
    ],
    ['no data', { ...resourceEvent(), data: null }, 'the event has no usable data: data must be an object'],
    [
      'half of its data',
      { ...resourceEvent(), data: { operationName: '' } },
      'the event has no usable data: data.operationName must not be empty; data.resourceUri is missing',
    ],
    [
      'another version',
      { ...asCloudEvent(resourceEvent()), specversion: '0.3' },
      'the event is no CloudEvent 1.0 with a subject: specversion must be one of 1.0',
    ],
  ])('%s is refused in words', (_what, raw, reason) => {
    expect(reasonFor(raw)).toBe(reason);
  });

  it('a CloudEvent without a time happened when it came', () => {
    const { time: _time, ...event } = asCloudEvent(resourceEvent());
    expect(readEvent(event, trust, receivedAt)).toMatchObject({ event: { time: receivedAt } });
  });

  it('the same told in another version, other letters and other data is the same; another subject is not', () => {
    const one = resourceEvent();
    const readAs = (raw: unknown) => {
      const reading = readEvent(raw, trust, receivedAt);
      if ('rejection' in reading) throw new Error(reading.rejection.reason);
      return reading.event;
    };
    const spelled = { ...one, dataVersion: '99', subject: one.subject.toUpperCase(), data: { ...one.data, more: 1 } };
    expect(tellsTheSame(readAs(one), readAs(spelled))).toBe(true);
    expect(tellsTheSame(readAs(one), readAs(asCloudEvent(one)))).toBe(true);
    expect(tellsTheSame(readAs(one), readAs({ ...one, subject: `${one.subject}x` }))).toBe(false);
  });
});

describe('what is kept of an event', () => {
  const nested = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);

  it('ends where nesting has no end, and says that it is not all', () => {
    const { text, complete } = keptText({ id: 1, data: nested(100_000) });
    expect(complete).toBe(false);
    expect(text.length).toBeLessThan(200);
  });

  it('is everything but what names people', () => {
    const { text, complete } = keptText({ id: 1, data: { Claims: { upn: 'rita' }, a: [nested(5), null] } });
    expect([JSON.parse(text), complete]).toEqual([{ id: 1, data: { a: [nested(5), null] } }, true]);
    expect(keptText('x'.repeat(100_000))).toMatchObject({ complete: false });
    expect(keptText(undefined)).toEqual({ text: '', complete: true });
  });
});

describe('what is older', () => {
  const newest = (time: string, sequencer = ''): NewestDocument => ({
    id: 'n',
    kind: 'newest',
    time,
    sequencer,
    ttl: 1,
  });
  const blob = (time: string, sequencer: string) => ({
    time,
    createdAt: receivedAt,
    essence: { kind: 'blob' as const, container: 'c', blob: 'b', sequencer },
  });

  it('is told by the sequencer where both have one, else by the time; what is equal is not older', () => {
    expect(isOutdated(blob('2026-01-01T00:00:00Z', '09'), newest('2025-01-01T00:00:00Z', '10'))).toBe(true);
    expect(isOutdated(blob('2025-01-01T00:00:00Z', '100'), newest('2026-01-01T00:00:00Z', '99'))).toBe(false);
    expect(isOutdated(blob('2026-01-01T00:00:00Z', ''), newest('2026-01-01T00:00:01Z', '10'))).toBe(true);
    expect(isOutdated(blob('2026-01-01T00:00:00Z', ''), newest('2026-01-01T00:00:00Z'))).toBe(false);
    expect(isOutdated(blob('2026-01-01T00:00:00Z', ''), null)).toBe(false);
  });

  it('is not told by a clock that is ahead: nothing happened after it was told', () => {
    const ahead = { ...blob('9999-12-31T23:59:59Z', ''), createdAt: '2026-03-06T18:00:00Z' };
    expect(orderTime(ahead)).toBe('2026-03-06T18:00:00Z');
    const later = { ...blob('2026-03-06T18:00:01Z', ''), createdAt: '2026-03-06T18:00:02Z' };
    expect(isOutdated(later, newest(orderTime(ahead)))).toBe(false);
    expect(isOutdated(ahead, newest('2026-03-06T18:00:01Z'))).toBe(true);
  });

  it('compares times of different zones', () => {
    expect(isOutdated(blob('2026-01-01T02:00:00+02:00', ''), newest('2026-01-01T00:00:01Z'))).toBe(true);
  });
});

test('a package and its manifest belong together, whichever is named', () => {
  const both = { packageBlob: 'a/b.sbm', manifestBlob: 'a/b.sbm.build.json' };
  expect(packageOf('a/b.sbm')).toEqual(both);
  expect(packageOf('a/b.sbm.build.json')).toEqual(both);
  expect(packageOf('.build.json').packageBlob).toBe('.build.json');
});

test('the server of a resource is found in any letters, also of what is in it', () => {
  const server = '/subscriptions/s/RESOURCEGROUPS/g/providers/microsoft.sql/Servers/one';
  expect(serverIdOf(`${server}/databases/two`)).toBe(server);
  expect(serverIdOf('/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/one')).toBeNull();
});

test('outputs are filled in wherever they are named; what only looks like one is left', () => {
  const template = { a: ['${outputs.x}-${outputs.n}', 7], b: '${inputs.x} $x', c: '${outputs.list}' };
  expect(filledIn(template, { x: '$&', n: 3, list: ['p', 'q'] })).toEqual({
    a: ['$&-3', 7],
    b: '${inputs.x} $x',
    c: 'p\nq',
  });
  expect(() => filledIn('${outputs.constructor}', {})).toThrow('no output "constructor"');
  expect(() => filledIn('${outputs.o}', { o: { deep: 1 } })).toThrow('no text, number or list');
});

test('the built-in routes are valid, and two routes of one name are not', () => {
  expect(routesSchema.parse(defaultRoutes)).toEqual(defaultRoutes);
  const twice = { routes: [...defaultRoutes.routes, ...defaultRoutes.routes.slice(0, 1)] };
  expect(routesSchema.safeParse(twice).error?.issues[0]?.path).toEqual(['routes', 3, 'name']);
});
