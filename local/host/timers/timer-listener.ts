import { type Clock } from '../../../lib/platform/clock';
import { type HostFunction, type TimerTrigger } from '../app/bindings';
import { type Invoker } from '../app/invocation';
import { type RpcInput } from '../app/rpc';
import { type TriggerListener } from '../listener';
import { parseSchedule, type Schedule } from './schedule';
import { type ScheduleMonitor, type ScheduleStatus } from './schedule-monitor';

export interface TimerDeps {
  clock: Clock;
  invoker: Invoker;
  monitor: ScheduleMonitor;
}

/** Below this, the real host does not monitor a schedule either: a missed second is not worth a write per second. */
const shortestMonitoredMs = 60_000;
/** Timers of Node hold 24.8 days at most; a long wait is made of short ones. */
const longestSleepMs = 3_600_000;
const neverRan = '0001-01-01T00:00:00.0000000+00:00';

/**
 * Fires one timer function: at every occurrence, at once on `runOnStartup`, and at once when a monitored occurrence
 * passed while the host was down. Runs never overlap; occurrences that pass during a run are skipped.
 *
 * @throws Error when the schedule cannot be read.
 */
export function createTimerListener(target: HostFunction<TimerTrigger>, deps: TimerDeps): TriggerListener {
  const { clock, invoker, monitor } = deps;
  const { trigger, name } = target;
  const schedule = parseSchedule(trigger.schedule);
  const stopping = new AbortController();
  let loop: Promise<void> | undefined;

  async function fire(status: ScheduleStatus | undefined, isPastDue: boolean): Promise<void> {
    // A timer that fails is logged, and tried again at its next occurrence.
    await invoker.invoke(target, timerData(schedule, status, isPastDue)).catch(() => undefined);
  }

  async function run(): Promise<void> {
    const startMs = clock.nowMs();
    const monitored = trigger.useMonitor && isSlow(schedule, startMs);
    const past = monitored ? monitor.status(name) : undefined;
    let status = past === undefined ? undefined : withSchedule(past, schedule);
    let nextMs = status?.nextMs ?? schedule.nextMs(startMs);
    const remember = (lastMs: number | null): void => {
      if (!monitored) return;
      status = { lastMs, nextMs, updatedMs: clock.nowMs() };
      monitor.update(name, status);
    };

    remember(status?.lastMs ?? null);
    if (nextMs <= startMs || trigger.runOnStartup) {
      const occurrenceMs = Math.min(nextMs, startMs);
      await fire(status, nextMs <= startMs);
      nextMs = schedule.nextMs(clock.nowMs());
      remember(occurrenceMs);
    }

    while (!stopping.signal.aborted) {
      await clock.sleep(Math.min(longestSleepMs, nextMs - clock.nowMs()), stopping.signal);
      if (clock.nowMs() < nextMs) continue;
      const dueMs = nextMs;
      await fire(status, false);
      nextMs = schedule.nextMs(Math.max(dueMs, clock.nowMs()));
      remember(dueMs);
    }
  }

  return {
    async start() {
      loop = run().catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error;
      });
    },
    async stop() {
      stopping.abort();
      await loop;
    },
    close: async () => undefined,
  };
}

/** Trigger data for a function that is run by hand: text as it was given, but a timer for a timer function. */
export function dataByHand({ trigger }: HostFunction, input: string): RpcInput {
  return trigger.kind === 'timer' ? timerData(parseSchedule(trigger.schedule), undefined, false) : { string: input };
}

/** What a timer function receives, with the property names of the real host. */
function timerData(schedule: Schedule, status: ScheduleStatus | undefined, isPastDue: boolean): RpcInput {
  const iso = (timeMs: number): string => new Date(timeMs).toISOString();
  const ScheduleStatus = status && {
    Last: status.lastMs === null ? neverRan : iso(status.lastMs),
    Next: iso(status.nextMs),
    LastUpdated: iso(status.updatedMs),
  };
  const timer = {
    Schedule: { AdjustForDST: schedule.kind === 'cron' },
    ScheduleStatus: ScheduleStatus ?? null,
    IsPastDue: isPastDue,
  };
  return { json: JSON.stringify(timer) };
}

/** A schedule that was changed while the host was down counts from the last run, not from what the old one promised. */
function withSchedule(status: ScheduleStatus, schedule: Schedule): ScheduleStatus {
  return { ...status, nextMs: schedule.nextMs(status.lastMs ?? status.updatedMs) };
}

function isSlow(schedule: Schedule, fromMs: number): boolean {
  let atMs = schedule.nextMs(fromMs);
  for (let occurrence = 0; occurrence < 5; occurrence += 1) {
    const nextMs = schedule.nextMs(atMs);
    if (nextMs - atMs < shortestMonitoredMs) return false;
    atMs = nextMs;
  }
  return true;
}
