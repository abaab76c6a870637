import { capacityUnderTest, region } from '../../support/capacity';

jest.setTimeout(120_000);

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Coarser than in life, so that the monitor has to see further ahead and a year passes in seconds. */
const lookMs = 3 * hourMs;

interface Growth {
  /** Databases that come, or go, within hour `hour` of the year. */
  (hour: number): number;
}

/** A year of growth through the real monitor and the real placement; a creation takes minutes, a look comes every few hours. */
async function live(growth: Growth, options: { days?: number; serverQuota?: number; policy?: object } = {}) {
  const test = capacityUnderTest({
    policy: {
      tickIntervalMs: lookMs,
      sampleEveryMs: lookMs,
      coolDownMs: 0,
      verifySecurityEveryMs: 400 * dayMs,
      reservationMs: 2 * lookMs,
      ...options.policy,
    },
    azure: { creationMs: 120_000, serverQuota: options.serverQuota ?? 250 },
  });
  const { policy } = test.services;
  const { alert, create, reset } = policy.thresholds.databases;
  await test.settle();
  let total = 0;
  let homeless = 0;
  let highest = 0;
  const needs: { total: number; servers: number }[] = [];
  for (let hour = 0; hour < (options.days ?? 365) * 24; hour += lookMs / hourMs) {
    let coming = 0;
    for (let within = 0; within < lookMs / hourMs; within += 1) coming += growth(hour + within);
    while (coming < 0) {
      const fullest = [...test.azure.servers.values()].sort((a, b) => b.bulk - a.bulk)[0];
      if (fullest === undefined || fullest.bulk === 0) break;
      const gone = Math.min(fullest.bulk, -coming);
      fullest.bulk -= gone;
      total -= gone;
      coming += gone;
    }
    while (coming > 0) {
      const count = Math.min(coming, 50);
      const id = `h${hour}-${coming}`;
      const placed = await test.services.placing.reserve({ regions: [region], tags: {}, count, not: [] }, id);
      if (placed === null) {
        homeless += coming;
        break;
      }
      const server = test.azure.servers.get(placed.server.name);
      if (server !== undefined) server.bulk += count;
      await test.services.placing.confirm(region, placed.server.name, id);
      total += count;
      coming -= count;
    }
    const before = test.azure.servers.size;
    await test.settle();
    if (test.azure.servers.size > before) needs.push({ total, servers: before });
    for (const { bulk } of test.azure.servers.values()) highest = Math.max(highest, bulk / 5_000);
    test.clock.pass(lookMs);
  }
  const alerts = await test.services.store.listAlerts({ regions: [region] }, { pageSize: 1_000, continuation: null });
  return { test, total, homeless, highest, needs, alert, create, reset, alerts: alerts.items };
}

const weekly =
  (perDay: number) =>
  (hour: number): number => {
    const weekend = Math.floor(hour / 24) % 7 >= 5;
    const daytime = hour % 24 >= 7 && hour % 24 < 19;
    return weekend || !daytime ? 0 : Math.round(perDay / 12);
  };

describe('a year of growth', () => {
  it('never comes near the alert threshold, places everybody, and creates no server without need', async () => {
    const steady = weekly(60);
    // And now and then a customer who brings six hundred tenants in an hour.
    const { total, homeless, highest, needs, alert, create, reset, alerts, test } = await live(
      (hour) => steady(hour) + (hour % 1_300 === 700 ? 600 : 0),
    );
    expect(homeless).toBe(0);
    expect(highest).toBeLessThan(alert);
    expect(alerts.filter(({ severity }) => severity === 'critical')).toEqual([]);
    // Each was asked for when the fleet was filled to somewhere near the create threshold, and there are as many as that takes.
    for (const { total: placed, servers } of needs) expect(placed / (servers * 5_000)).toBeGreaterThan(reset);
    expect(test.azure.servers.size).toBeLessThanOrEqual(Math.ceil(total / (5_000 * create)) + 1);
    expect(test.azure.puts).toHaveLength(test.azure.servers.size);
  });

  it.each<[string, Growth]>([
    ['in steps', (hour) => (hour % 2_000 === 300 ? 1_500 : 0)],
    ['that swings over the year', (hour) => Math.round(8 + 8 * Math.sin((hour / 4_000) * 2 * Math.PI))],
    ['up and down', (hour) => (hour % 700 < 350 ? 8 : -8)],
    ['that ends in shrinking', (hour) => (hour < 2_000 ? 4 : hour % 24 === 0 ? -40 : 0)],
  ])('%s is kept up with, and no server comes before its time', async (_what, growth) => {
    const { homeless, highest, needs, alert, reset, alerts } = await live(growth, { days: 120 });
    expect(homeless).toBe(0);
    expect(highest).toBeLessThan(alert);
    expect(alerts).toEqual([]);
    for (const { total: placed, servers } of needs) expect(placed / (servers * 5_000)).toBeGreaterThan(reset);
  });

  it('creates nothing in a year without growth', async () => {
    const { test } = await live((hour) => (hour === 5 ? 1_000 : 0), { days: 60 });
    expect(test.azure.puts).toHaveLength(1);
  });

  it('asks for quota days before it is used up, and creates until it is', async () => {
    const { alerts, highest, test } = await live(weekly(360), { days: 140, serverQuota: 12 });
    const asked = alerts.filter(({ class: kind, subject }) => kind === 'quota' && subject === 'servers');
    const heldUp = alerts.filter(({ class: kind }) => kind === 'creation-held-up');
    expect(asked).toHaveLength(1);
    expect(heldUp.length).toBeGreaterThan(0);
    const daysAhead = (Date.parse(heldUp[0]?.firstAt ?? '') - Date.parse(asked[0]?.firstAt ?? '')) / dayMs;
    expect(daysAhead).toBeGreaterThan(7);
    expect(test.azure.servers.size).toBe(10);
    // Nothing is left, and still nobody is placed past the ceiling.
    expect(highest).toBeLessThanOrEqual(0.72);
  });
});
