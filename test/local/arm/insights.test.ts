import { type ArmHarness, createManualClock, place, startHarness } from './harness';

let harness: ArmHarness;
const clock = createManualClock();
beforeEach(async () => {
  harness = await startHarness({ clock });
});
afterEach(() => harness.stop());

const server =
  '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/sqlfleet/providers/Microsoft.Sql/servers/fleet-1';
const orders = `${server}/databases/orders`;
const minutesMs = (count: number): number => count * 60_000;

async function averages(resource: string, metric: string, minutes = 10): Promise<(number | undefined)[]> {
  const nowMs = clock.nowMs();
  const timespan = `${new Date(nowMs - minutesMs(minutes)).toISOString()}/${new Date(nowMs).toISOString()}`;
  const options = { timespan, interval: 'PT5M', metricnames: metric, aggregation: 'Average,Maximum' };
  const { value } = await harness.monitor.metrics.list(resource, options);
  return value[0]?.timeseries?.[0]?.data?.map(({ average }) => average) ?? [];
}

it('tells the numbers that control has set, from when on it has set them', async () => {
  const set = (values: Record<string, number | null>) =>
    harness.arm.control['setMetrics']?.({ server: 'fleet-1', database: 'orders', values });
  expect(await averages(orders, 'cpu_percent')).not.toContain(80);
  set({ cpu_percent: 80 });
  clock.advance(minutesMs(10));
  set({ cpu_percent: 20 });
  clock.advance(minutesMs(10));
  const seen = await averages(orders, 'CPU_percent', 20);
  expect(seen).toContain(80);
  expect(seen.at(-1)).toBe(20);
  expect(seen.indexOf(80)).toBeLessThan(seen.indexOf(20));
  set({ cpu_percent: null });
  clock.advance(minutesMs(10));
  expect((await averages(orders, 'cpu_percent', 5)).at(-1)).toBeUndefined();
});

it('has metrics of pools, and names those that there are', async () => {
  const { sql, monitor, arm } = harness;
  await sql.elasticPools.beginCreateOrUpdateAndWait(...place, 'hot', { location: 'westeurope' });
  arm.control['setMetrics']?.({ server: 'fleet-1', pool: 'hot', values: { eDTU_used: 90 } });
  clock.advance(minutesMs(5));
  expect((await averages(`${server}/elasticPools/hot`, 'eDTU_used', 5)).at(-1)).toBe(90);
  await expect(averages(orders, 'warmth')).rejects.toThrow('Valid metrics: cpu_percent');
  await expect(averages(`${server}/databases/none`, 'cpu_percent')).rejects.toMatchObject({ statusCode: 404 });
  const names: (string | undefined)[] = [];
  for await (const { name } of monitor.metricDefinitions.list(orders)) names.push(name?.value);
  expect(names).toContain('storage_percent');
});

it('keeps diagnostic settings below any resource', async () => {
  const { monitor } = harness;
  const master = `${server}/databases/master`;
  const setting = {
    workspaceId: '/subscriptions/x/workspaces/logs',
    logs: [{ category: 'SQLSecurityAuditEvents', enabled: true }],
  };
  await expect(monitor.diagnosticSettings.get(master, 'audit')).rejects.toMatchObject({ statusCode: 404 });
  await expect(monitor.diagnosticSettings.createOrUpdate(master, 'audit', { logs: [] })).rejects.toMatchObject({
    statusCode: 400,
  });
  await monitor.diagnosticSettings.createOrUpdate(master, 'audit', setting);
  expect(await monitor.diagnosticSettings.get(master, 'audit')).toMatchObject(setting);
  expect((await monitor.diagnosticSettings.list(master)).value).toHaveLength(1);
  await monitor.diagnosticSettings.delete(master, 'audit');
  expect((await monitor.diagnosticSettings.list(master)).value).toEqual([]);
});

it('logs what was changed through ARM, and not what happened behind its back', async () => {
  const { sql, monitor, arm } = harness;
  const since = new Date(clock.nowMs() - 1).toISOString();
  await sql.databases.beginCreateOrUpdateAndWait(...place, 'fresh', { location: 'westeurope' });
  arm.control['mangle']?.({ server: 'fleet-1', tags: { who: 'knows' } });
  const operations: string[] = [];
  const filter = `eventTimestamp ge '${since}' and resourceGroupName eq 'SQLFLEET'`;
  for await (const { operationName, status } of monitor.activityLogs.list(filter)) {
    operations.push(`${operationName?.value} ${status?.value}`);
  }
  expect(operations).toEqual(['Microsoft.Sql/servers/databases/write Succeeded']);
});

it('throttles as ARM does when control sets its limits', async () => {
  const { sql, arm } = harness;
  arm.control['setThrottle']?.({ reads: { burst: 3, perSecond: 1_000 }, writes: { burst: 1, perSecond: 1 } });
  const read = () => sql.servers.get(...place, { requestOptions: {} });
  sql.pipeline.removePolicy({ name: 'defaultRetryPolicy' });
  await Promise.all([read(), read(), read()]);
  await expect(read()).rejects.toMatchObject({ statusCode: 429, code: 'SubscriptionRequestsThrottled' });
  clock.advance(10);
  await read();
});
