import { aServer, capacityUnderTest, environment, ownTags, region } from '../../support/capacity';
import { httpError } from '../../support/simulated-azure';

const first = `sql-${environment}-${region}-001`;
const second = `sql-${environment}-${region}-002`;
const anySku = { state: 'open' as const };

/** One server of ours, ready, with that many databases. */
async function regionWith(databases: number, options: Parameters<typeof capacityUnderTest>[0] = {}) {
  const test = capacityUnderTest(options);
  await test.settle();
  const server = test.azure.servers.get(first);
  if (server === undefined) throw new Error('no first server');
  server.bulk = databases;
  return test;
}
const alertsOf = async (test: ReturnType<typeof capacityUnderTest>) =>
  (
    await test.services.store.listAlerts(
      { regions: [region], states: [anySku.state] },
      { pageSize: 100, continuation: null },
    )
  ).items;

describe('the monitor of a region', () => {
  it('creates the first server from the template, secured before it is ready', async () => {
    const test = capacityUnderTest();
    await test.settle();
    expect(await test.server(first)).toMatchObject({ state: 'ready', origin: 'provisioned' });
    expect(test.azure.servers.get(first)).toMatchObject({
      minimalTlsVersion: '1.2',
      publicNetworkAccess: 'Disabled',
      entraOnly: true,
      threatProtection: 'Enabled',
      assessment: 'Enabled',
      auditing: { state: 'Enabled', isAzureMonitorTargetEnabled: true },
      diagnostics: { workspaceId: '/workspaces/audit' },
      baselines: { VA2065: [] },
      tags: ownTags,
    });
    expect(test.events.map(({ type }) => type)).toContain('Sqlfleet.Capacity.ServerReady');
  });

  it('does nothing below the create threshold', async () => {
    const test = await regionWith(2_900);
    for (let tick = 0; tick < 5; tick += 1) {
      await test.settle();
      test.clock.pass(300_000);
    }
    expect(test.azure.puts).toEqual([first]);
  });

  it('creates one server after as many samples above the create threshold as the policy wants', async () => {
    const test = await regionWith(3_050);
    test.clock.pass(3_600_000);
    await test.settle();
    expect(test.azure.puts).toEqual([first]);
    test.clock.pass(300_000);
    await test.settle();
    expect(test.azure.puts).toEqual([first, second]);
    for (let tick = 0; tick < 5; tick += 1) {
      test.clock.pass(300_000);
      await test.settle();
    }
    expect(test.azure.puts).toEqual([first, second]);
  });

  it('creates at once when the alert threshold is near', async () => {
    const test = await regionWith(3_600);
    await test.settle();
    expect(test.azure.puts).toEqual([first, second]);
  });

  it('counts a server that is on its way as capacity', async () => {
    const test = await regionWith(3_600, { azure: { creationMs: 600_000 } }).catch(() => null);
    expect(test).toBeNull();
    const slow = capacityUnderTest({ azure: { creationMs: 120_000 } });
    await slow.settle();
    const server = slow.azure.servers.get(first);
    if (server !== undefined) server.bulk = 3_600;
    for (let tick = 0; tick < 4; tick += 1) {
      await slow.services.tick(region);
      await slow.services.advance(region);
      slow.clock.pass(20_000);
    }
    expect(slow.azure.puts).toEqual([first, second]);
  });

  it('decides nothing, and calls nothing missing, while the servers cannot be listed', async () => {
    const test = await regionWith(3_900);
    test.azure.fail('listServers', httpError(429, 'TooManyRequests'), 100);
    await test.settle();
    expect(test.azure.puts).toEqual([first]);
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
    expect(await alertsOf(test)).not.toEqual(expect.arrayContaining([expect.objectContaining({ class: 'blind' })]));
    test.clock.pass(31 * 60_000);
    await test.settle();
    expect(await alertsOf(test)).toEqual(
      expect.arrayContaining([expect.objectContaining({ class: 'blind', severity: 'warning' })]),
    );
  });

  it('does not believe a list that leaves out servers', async () => {
    const test = await regionWith(100);
    test.azure.hideServers(1);
    await test.settle();
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
  });

  it('believes nothing at all when a list leaves out more than a fleet can lose at once', async () => {
    const test = capacityUnderTest();
    for (let ordinal = 1; ordinal <= 30; ordinal += 1) {
      await test.services.servers.create(aServer(`server-${ordinal}`));
    }
    await test.services.tick(region);
    const { servers } = await test.services.servers.region(region);
    expect(servers.filter(({ server }) => server.state === 'missing')).toEqual([]);
    expect(await alertsOf(test)).toEqual(
      expect.arrayContaining([expect.objectContaining({ class: 'implausible-listing', severity: 'critical' })]),
    );
  });

  it('takes over a server of ours whose document was removed, after securing it', async () => {
    const test = await regionWith(100);
    test.documents.sqlServers.remove(region, first);
    await test.services.tick(region);
    expect(await test.server(first)).toMatchObject({ state: 'quarantined', origin: 'adopted' });
    await test.settle();
    expect(await test.server(first)).toMatchObject({ state: 'ready', numbers: { databases: { value: 100 } } });
    expect(test.azure.puts).toEqual([first]);
  });

  it('leaves a lost server to a person where the policy says so', async () => {
    const test = await regionWith(100, { policy: { adoption: 'manual' } });
    test.documents.sqlServers.remove(region, first);
    await test.settle();
    await test.settle();
    expect(await test.server(first)).toMatchObject({ state: 'quarantined' });
    await test.services.control.server(first, 'adopt', { actor: 'ada', reason: 'it is ours' });
    await test.settle();
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
  });

  it('reports a server that was dropped, places nothing on it, and resolves that when it is back', async () => {
    const test = await regionWith(100);
    const server = test.azure.servers.get(first);
    test.azure.servers.delete(first);
    await test.settle();
    await test.services.tick(region);
    expect(await test.server(first)).toMatchObject({ state: 'missing' });
    const missing = (await alertsOf(test)).find((alert) => alert.class === 'server-missing');
    expect(missing).toMatchObject({ severity: 'critical', subject: first });
    expect(missing?.suggestion).toMatch(/Recover it/);
    // Its place is taken by a server with another name: the old one may still be recovered.
    expect(test.azure.puts).toEqual([first, second]);
    if (server !== undefined) test.azure.servers.set(first, server);
    await test.settle();
    await test.settle();
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
    expect((await alertsOf(test)).filter((alert) => alert.class === 'server-missing')).toEqual([]);
  });

  it.each([
    ['a state that is none', { state: 'sleeping' }],
    ['requested', { state: 'requested' }],
    ['creating', { state: 'creating' }],
    ['failed', { state: 'failed' }],
    ['missing', { state: 'missing' }],
    ['quarantined', { state: 'quarantined' }],
    ['draining, which nobody asked for', { state: 'draining' }],
    ['retired, which nobody asked for', { state: 'retired' }],
    ['ready without ever having been secured', { security: { verifiedAt: null, steps: {}, openings: [] } }],
    ['numbers that are no numbers', { numbers: 'many' }],
    ['tags of another server', { tags: { owner: 'nobody' } }],
  ])('repairs a mangled document: %s', async (_what, fields) => {
    const test = await regionWith(100);
    test.documents.sqlServers.mangle(region, first, fields);
    for (let tick = 0; tick < 3; tick += 1) {
      await test.settle();
      test.clock.pass(300_000);
    }
    expect(await test.server(first)).toMatchObject({
      state: 'ready',
      numbers: { databases: { value: 100 } },
      tags: ownTags,
    });
    expect(test.azure.puts).toEqual([first]);
    const decisions = await test.services.store.listDecisions(
      { regions: [region] },
      { pageSize: 100, continuation: null },
    );
    expect(decisions.items.flatMap(({ corrections }) => corrections).some(({ server }) => server === first)).toBe(true);
  });

  it('secures a server again that somebody weakened', async () => {
    const test = await regionWith(100);
    const server = test.azure.servers.get(first);
    if (server !== undefined) server.publicNetworkAccess = 'Enabled';
    test.clock.pass(25 * 3_600_000);
    await test.settle();
    expect(test.azure.servers.get(first)?.publicNetworkAccess).toBe('Disabled');
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
  });

  it.each([
    ['AllowAllWindowsAzureIps', '0.0.0.0', '0.0.0.0', 'critical'],
    ['everybody', '0.0.0.0', '255.255.255.255', 'critical'],
    ['office', '203.0.113.7', '203.0.113.7', 'warning'],
  ])(
    'reports the firewall rule %s that nobody wrote, leaves it, and resolves that when it is gone',
    async (name, ...rule) => {
      const [startIpAddress, endIpAddress, severity] = rule;
      const test = await regionWith(100);
      test.azure.servers.get(first)?.firewall.push({ name, startIpAddress, endIpAddress });
      test.clock.pass(25 * 3_600_000);
      await test.settle();
      expect(await alertsOf(test)).toMatchObject([{ class: 'security-drift', subject: first, severity }]);
      expect(await test.server(first)).toMatchObject({ state: 'ready' });
      expect(test.azure.servers.get(first)?.firewall).toHaveLength(1);
      test.azure.servers.get(first)?.firewall.splice(0);
      test.clock.pass(61 * 60_000);
      await test.settle();
      expect(await alertsOf(test)).toEqual([]);
    },
  );

  it('gives up a creation of which there is no server after a long time', async () => {
    const test = capacityUnderTest();
    const at = new Date(test.clock.nowMs()).toISOString();
    const creation = { ...aServer(first).creation, requestedAt: at, startedAt: at, readyAt: null, poller: 'gone' };
    await test.services.servers.create(aServer(first, { state: 'creating', creation }));
    test.clock.pass(31 * 60_000);
    await test.services.tick(region);
    expect((await test.server(first))?.state).not.toBe('creating');
  });
});

describe('guards', () => {
  it('is stopped by a person, who is named, and goes on when resumed', async () => {
    const test = await regionWith(3_700);
    await test.services.control.region(region, 'stop', { actor: 'ada', reason: 'migration' });
    await test.settle();
    expect(test.azure.puts).toEqual([first]);
    const held = (await alertsOf(test)).find((alert) => alert.class === 'creation-held-up');
    expect(held?.message).toContain('stopped by ada: migration');
    await test.services.control.region(region, 'resume', { actor: 'ada', reason: 'done' });
    await test.settle();
    expect(test.azure.puts).toEqual([first, second]);
    await test.services.tick(region);
    expect((await alertsOf(test)).filter((alert) => alert.class === 'creation-held-up')).toEqual([]);
  });

  it('only says what it would do where it is to observe', async () => {
    const test = capacityUnderTest({ policy: { mode: 'observe' } });
    test.azure.addServer('sql-a', { tags: { ...ownTags }, bulk: 4_000 });
    await test.services.servers.create(
      aServer('sql-a', { numbers: { databases: { value: 4_000, limit: 5_000 }, serverDtus: null } }),
    );
    await test.services.tick(region);
    expect(test.azure.puts).toEqual([]);
    const { items } = await test.services.store.listDecisions(
      { regions: [region] },
      { pageSize: 10, continuation: null },
    );
    expect(items[0]).toMatchObject({ action: 'wouldCreate', server: null });
  });

  it('leaves the reserve of the quota alone, asks for a ticket and names no server as a cure', async () => {
    const test = await regionWith(3_900, { azure: { serverQuota: 3 } });
    await test.settle();
    expect(test.azure.puts).toEqual([first]);
    const held = (await alertsOf(test)).find((alert) => alert.class === 'creation-held-up');
    expect(held).toMatchObject({ severity: 'critical' });
    expect(held?.suggestion).toMatch(/support ticket/);
  });

  it('creates no more servers in a day than it may', async () => {
    const test = await regionWith(0, { policy: { maximumServersPerDay: 2 } });
    for (let tick = 0; tick < 6; tick += 1) {
      for (const server of test.azure.servers.values()) server.bulk = 3_900;
      await test.settle();
      test.clock.pass(300_000);
    }
    expect(test.azure.puts).toHaveLength(2);
  });
});

describe('failures to create', () => {
  const failing = async (error: Error, options: Parameters<typeof capacityUnderTest>[0] = {}) => {
    const test = capacityUnderTest(options);
    test.azure.fail('putServer', error);
    await test.services.tick(region);
    await test.services.advance(region);
    return test;
  };

  it('takes the next name when a name is taken elsewhere', async () => {
    const test = capacityUnderTest();
    test.azure.takeName(first);
    await test.settle();
    await test.settle();
    expect(await test.server(first)).toMatchObject({ state: 'failed', creation: { failure: { class: 'name' } } });
    expect(await test.server(second)).toMatchObject({ state: 'ready' });
  });

  it('does not try again by itself what is wrong in itself', async () => {
    const test = await failing(httpError(403, 'RequestDisallowedByPolicy'));
    expect(await test.server(first)).toMatchObject({
      state: 'failed',
      creation: { failure: { class: 'configuration' } },
    });
    for (let tick = 0; tick < 5; tick += 1) {
      test.clock.pass(3_600_000);
      await test.settle();
    }
    expect(test.azure.puts).toEqual([]);
    expect((await alertsOf(test))[0]).toMatchObject({ class: 'creation-held-up', severity: 'critical' });
    await test.services.control.region(region, 'resume', { actor: 'ada', reason: 'exempted' });
    await test.settle();
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
  });

  it('asks a region that takes no server again after a while, under the same name', async () => {
    const test = await failing(httpError(409, 'RegionDoesNotAllowProvisioning'));
    await test.settle();
    expect(test.azure.puts).toEqual([]);
    test.clock.pass(3_700_000);
    await test.settle();
    expect(test.azure.puts).toEqual([first]);
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
  });

  it('tries again with growing pauses what may pass', async () => {
    const test = await failing(httpError(503, 'ServiceUnavailable'));
    expect(await test.server(first)).toMatchObject({ state: 'creating', creation: { failures: 1 } });
    await test.services.advance(region);
    expect(test.azure.puts).toEqual([]);
    test.clock.pass(20_000);
    await test.services.advance(region);
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
  });

  it('sends the PUT again when the operation itself failed, or is not known any more', async () => {
    const test = capacityUnderTest({ azure: { creationMs: 60_000 } });
    test.azure.failNextOperation('InternalServerError');
    await test.services.tick(region);
    await test.services.advance(region);
    test.clock.pass(61_000);
    await test.services.advance(region);
    expect(await test.server(first)).toMatchObject({ state: 'creating', creation: { poller: null, failures: 1 } });
    test.clock.pass(61_000);
    await test.services.advance(region);
    expect((await test.server(first))?.creation.poller).not.toBeNull();
    test.azure.forgetOperations();
    await test.services.advance(region);
    await test.services.advance(region);
    test.clock.pass(61_000);
    await test.services.advance(region);
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
  });

  it('does not call a server ready while a security step fails, and says which', async () => {
    const test = capacityUnderTest();
    test.azure.fail('enableThreatProtection', httpError(403, 'AuthorizationFailed'), 3);
    await test.services.tick(region);
    await test.services.advance(region);
    expect(await test.server(first)).toMatchObject({
      state: 'securing',
      creation: { failure: { class: 'configuration' } },
    });
    await test.services.tick(region);
    expect((await alertsOf(test)).map(({ class: kind }) => kind)).toContain('securing-failed');
    for (let tries = 0; tries < 4; tries += 1) {
      test.clock.pass(600_000);
      await test.services.advance(region);
    }
    expect(await test.server(first)).toMatchObject({ state: 'ready' });
  });
});
