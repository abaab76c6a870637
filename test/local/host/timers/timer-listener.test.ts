import { type Timer } from '@azure/functions';
import { type FunctionApp } from '../../../../local/host/app/core-module';
import { manualClock, type ManualClock } from '../manual-clock';
import { keys, registerApp, startSampleHost, until, type SampleHost } from '../sample-host';

const at = (time: string): number => Date.parse(`2026-01-01T${time}Z`);
const hostJson = { functionTimeout: '-1' };

interface Run {
  time: string;
  timer: Timer;
}

let clock: ManualClock;
let runs: Run[];
let duringRun: () => Promise<void>;
let sample: SampleHost;

beforeEach(() => {
  clock = manualClock(at('10:02:00'));
  runs = [];
  duringRun = async () => undefined;
});
afterEach(() => sample.close());

const appWith = (options: { schedule: string; runOnStartup?: boolean; useMonitor?: boolean }): Promise<FunctionApp> =>
  registerApp(({ app }) =>
    app.timer('tick', {
      ...options,
      handler: async (timer) => {
        runs.push({ time: new Date(clock.nowMs()).toISOString().slice(11, 19), timer });
        await duringRun();
      },
    }),
  );
const times = (): string[] => runs.map(({ time }) => time);

describe('a timer', () => {
  test('fires at every occurrence, and knows the one before and the one it is for', async () => {
    sample = await startSampleHost(await appWith({ schedule: '0 */5 * * * *' }), hostJson, { clock });
    await clock.advanceTo(at('10:17:00'));
    expect(times()).toEqual(['10:05:00', '10:10:00', '10:15:00']);
    expect(runs[0]?.timer).toMatchObject({ isPastDue: false, schedule: { adjustForDST: true } });
    expect(runs[0]?.timer.scheduleStatus.last).toMatch(/^0001-01-01/);
    expect(runs[1]?.timer.scheduleStatus).toMatchObject({
      last: '2026-01-01T10:05:00.000Z',
      next: '2026-01-01T10:10:00.000Z',
    });
  });

  test('goes on after it threw', async () => {
    duringRun = () => Promise.reject(new Error('no'));
    sample = await startSampleHost(await appWith({ schedule: '0 */5 * * * *' }), hostJson, { clock });
    await clock.advanceTo(at('10:11:00'));
    expect(times()).toEqual(['10:05:00', '10:10:00']);
  });

  test('never overlaps: what passes during a run is skipped', async () => {
    duringRun = () => clock.sleep(7 * 60_000);
    sample = await startSampleHost(await appWith({ schedule: '0 */5 * * * *' }), hostJson, { clock });
    await clock.advanceTo(at('10:23:00'));
    expect(times()).toEqual(['10:05:00', '10:15:00']);
    duringRun = async () => undefined;
    await clock.advanceTo(at('10:30:00'));
  });

  test('runs once, past due, when the host was down at its time', async () => {
    sample = await startSampleHost(await appWith({ schedule: '0 */5 * * * *' }), hostJson, { clock });
    await clock.advanceTo(at('10:06:00'));
    await sample.host.stop(0);
    await clock.advanceTo(at('10:32:00'));
    await sample.restart();
    await clock.advanceTo(at('10:36:00'));
    expect(runs.map(({ time, timer }) => [time, timer.isPastDue])).toEqual([
      ['10:05:00', false],
      ['10:32:00', true],
      ['10:35:00', false],
    ]);
  });

  test('is past due although it never ran, and is not when it is not monitored', async () => {
    sample = await startSampleHost(await appWith({ schedule: '0 */5 * * * *' }), hostJson, { clock });
    await sample.host.stop(0);
    await clock.advanceTo(at('11:00:30'));
    await sample.restart();
    await clock.advanceTo(at('11:00:31'));
    expect(times()).toEqual(['11:00:30']);
    await sample.close();

    runs = [];
    sample = await startSampleHost(await appWith({ schedule: '*/10 * * * * *' }), hostJson, { clock });
    await sample.host.stop(0);
    await clock.advanceTo(at('11:30:05'));
    await sample.restart();
    await clock.advanceTo(at('11:30:15'));
    expect(times()).toEqual(['11:30:10']);
  });

  test('fires at the start of the host where it is told to', async () => {
    sample = await startSampleHost(await appWith({ schedule: '0 0 * * * *', runOnStartup: true }), hostJson, { clock });
    await clock.advanceTo(at('11:00:00'));
    expect(runs.map(({ time, timer }) => [time, timer.isPastDue])).toEqual([
      ['10:02:00', false],
      ['11:00:00', false],
    ]);
  });

  test('can be run by hand over the admin API, with the master key', async () => {
    sample = await startSampleHost(await appWith({ schedule: '0 0 * * * *' }), hostJson, { clock });
    const run = (key: string): Promise<Response> =>
      fetch(`${sample.baseUrl}/admin/functions/Tick`, {
        method: 'POST',
        headers: { 'x-functions-key': key },
        body: '{"input":""}',
      });
    expect((await run(keys.function)).status).toBe(401);
    expect(runs).toEqual([]);
    expect((await run(keys.master)).status).toBe(202);
    await until('the timer has run', () => runs.length === 1);
    expect(runs[0]?.timer.schedule).toEqual({ adjustForDST: true });
  });
});

test('a schedule that cannot be read keeps the host from starting, with the name of the function', async () => {
  sample = await startSampleHost(await appWith({ schedule: '0 0 * * * *' }), hostJson, { clock });
  const bad = await appWith({ schedule: 'sometimes' });
  await expect(startSampleHost(bad, hostJson, { clock })).rejects.toThrow(/"tick".*"sometimes"/);
});

test('a time zone keeps timers from starting, since they would fire at the wrong hour', async () => {
  const app = await appWith({ schedule: '0 0 * * * *' });
  sample = await startSampleHost(app, hostJson, { clock, settings: { WEBSITE_TIME_ZONE: 'UTC' } });
  const settings = { WEBSITE_TIME_ZONE: 'Europe/Zurich' };
  await expect(startSampleHost(app, hostJson, { clock, settings })).rejects.toThrow(/WEBSITE_TIME_ZONE is Europe/);
});
