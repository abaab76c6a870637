import { type Clock } from '../../lib/platform/clock';
import { type DurableEngine, type DurableFunctions, type FunctionInvoker } from '../host/contract';
import { noJournal, openJournal } from '../storage/journal';
import { createActivityPool } from './activity-pool';
import { clientBinding } from './client-binding';
import { createCommands } from './commands';
import { createEntities, type Entities } from './entities';
import { activityFailure } from './failure';
import { createManagementApi } from './management-api';
import { createOrchestrations, type Orchestrations } from './orchestrations';
import { eventFrame, eventType, type InboundEvent, type ScheduledEvent } from './protocol';
import { type InstanceCounters, type JournalRecord } from './records';
import { type RecordedHistory, recordHistory } from './recorded-history';
import { type Instance, isFinished, isWanted, openStore, type Store } from './store';
import { createTimers } from './timers';

export interface DurableEngineOptions {
  /** `extensions.durableTask.maxConcurrentActivityFunctions` of host.json. */
  maxConcurrentActivityFunctions: number;
  /** Replays every episode twice and fails the instance when the two differ. For tests. */
  strictReplay: boolean;
  /** A timer longer than this is taken in steps of `timerStepMs`. */
  maximumTimerMs: number;
  timerStepMs: number;
  compactAfterBytes: number;
  /** Bytes of the histories of finished instances that stay readable; the oldest are dropped first. */
  finishedHistoryBytes: number;
}

const dayMs = 24 * 60 * 60 * 1000;

export const defaultOptions: DurableEngineOptions = {
  maxConcurrentActivityFunctions: 10,
  strictReplay: false,
  maximumTimerMs: 6 * dayMs,
  timerStepMs: 3 * dayMs,
  compactAfterBytes: 8 << 20,
  finishedHistoryBytes: 8 << 20,
};

export interface DurableEngineDeps {
  taskHubName: string;
  /** Null keeps nothing: everything is gone when the process ends. */
  journalPath: string | null;
  clock: Clock;
  newId: () => string;
  log: (level: 'info' | 'warn' | 'error', message: string) => void;
  /** The `code` that management requests under `/runtime/webhooks/durabletask` must carry. */
  systemKey: string;
  options?: Partial<DurableEngineOptions>;
}

export interface LocalDurableEngine extends DurableEngine {
  /** The history of the instance's present generation; null when the instance is unknown or its history was dropped. */
  exportHistory(instanceId: string): RecordedHistory | null;
  /** Null when the instance is unknown. */
  counters(instanceId: string): InstanceCounters | null;
  /** Of every instance, by its id. */
  allCounters(): Record<string, InstanceCounters>;
}

/** The Durable engine of the embedded cloud. See README.md beside this file. */
export function createDurableEngine(deps: DurableEngineDeps): LocalDurableEngine {
  const options = { ...defaultOptions, ...deps.options };
  const { clock, journalPath, newId } = deps;
  const nowMs = (): number => clock.nowMs();
  const timerLimits = { maximumTimerMs: options.maximumTimerMs, timerStepMs: options.timerStepMs };
  const timers = createTimers(clock);
  const activities = createActivityPool(options.maxConcurrentActivityFunctions);
  const store: Store = openStore((replay) => (journalPath === null ? noJournal() : openJournal(journalPath, replay)), {
    compactAfterBytes: options.compactAfterBytes,
    finishedHistoryBytes: options.finishedHistoryBytes,
  });
  let functions: DurableFunctions = { orchestrators: [], activities: [], entities: [] };
  let invoker: FunctionInvoker | null = null;
  let isClosed = false;

  function commit(record: JournalRecord): void {
    if (isClosed) throw new Error('The Durable engine was stopped.');
    store.commit(record);
    follow(record);
  }

  const invoke = (name: string, trigger: { json: string } | { string: string }): Promise<unknown> =>
    invoker === null ? Promise.reject(new Error('The Durable engine was not started.')) : invoker.invoke(name, trigger);

  const orchestrations: Orchestrations = createOrchestrations({
    store,
    commit,
    invoke: (name, payload) => invoke(name, { json: payload }),
    refuse,
    nowMs,
    newId,
    log: deps.log,
    timerLimits,
    isStrict: options.strictReplay,
  });
  const entities: Entities = createEntities({
    store,
    commit,
    invoke: (name, payload) => invoke(entityFunction(name) ?? name, { json: payload }),
    nowMs,
    newId,
    log: deps.log,
  });

  function entityFunction(name: string): string | undefined {
    return functions.entities.find((registered) => registered.toLowerCase() === name.toLowerCase());
  }

  function refuse(kind: 'activity' | 'orchestrator' | 'entity', name: string): string | null {
    const known =
      kind === 'activity'
        ? functions.activities
        : kind === 'orchestrator'
          ? functions.orchestrators
          : functions.entities;
    if (kind === 'entity' ? entityFunction(name) !== undefined : known.includes(name)) return null;
    const list = known.map((each) => `'${each}'`).join(', ');
    return `The function '${name}' doesn't exist, is disabled, or is not an ${kind} function. Known are: ${list}.`;
  }

  /** Starts what a record has made possible. */
  function follow(record: JournalRecord): void {
    switch (record.type) {
      case 'created':
      case 'message':
      case 'suspension':
        return orchestrations.wake(record.instanceId);
      case 'operation':
        return entities.wake(record.entityId);
      case 'entityBatch':
        record.messages.forEach(follow);
        return record.operations.forEach(follow);
      case 'episode': {
        const instance = store.instances.get(record.instanceId);
        if (instance !== undefined) for (const event of record.scheduled) run(instance, event);
        record.started.forEach(follow);
        record.messages.forEach(follow);
        record.operations.forEach(follow);
        return orchestrations.wake(record.instanceId);
      }
      case 'purged':
      case 'instance':
      case 'entity':
        return;
    }
  }

  /** Runs an open task. Sub-orchestrations run by themselves: they are instances. */
  function run(instance: Instance, event: ScheduledEvent): void {
    const { instanceId, executionId } = instance;
    const complete = (completion: InboundEvent): void => {
      const message = { type: 'message' as const, instanceId, executionId, event: completion };
      const target = store.instances.get(instanceId);
      if (!isClosed && target !== undefined && isWanted(target, message)) commit(message);
    };
    if (event.EventType === eventType.timerCreated) {
      timers.set(Date.parse(event.FireAt), () =>
        complete({
          EventType: eventType.timerFired,
          ...eventFrame(nowMs()),
          TimerId: event.EventId,
          FireAt: event.FireAt,
        }),
      );
    } else if (event.EventType === eventType.taskScheduled) {
      activities.add(async () => {
        const target = store.instances.get(instanceId);
        // The instance may have been terminated while this waited for its turn.
        if (target?.executionId !== executionId || !target.open.has(event.EventId)) return;
        complete(await runActivity(event));
      });
    }
  }

  async function runActivity(event: Extract<ScheduledEvent, { EventType: 4 }>): Promise<InboundEvent> {
    const { EventId: TaskScheduledId, Input, Name } = event;
    try {
      const result = (await invoke(Name, Input === null ? { json: 'null' } : { string: Input })) ?? null;
      const Result = JSON.stringify(result);
      return { EventType: eventType.taskCompleted, ...eventFrame(nowMs()), TaskScheduledId, Result };
    } catch (error) {
      const failure = activityFailure(Name, error);
      return { EventType: eventType.taskFailed, ...eventFrame(nowMs()), TaskScheduledId, ...failure };
    }
  }

  const handle = createManagementApi({
    taskHubName: deps.taskHubName,
    systemKey: deps.systemKey,
    clock,
    store,
    commands: createCommands({ store, commit, refuse, nowMs, newId }),
  });

  return {
    async start(loaded, through) {
      functions = loaded;
      invoker = through;
      for (const instance of [...store.instances.values()]) {
        if (isFinished(instance)) continue;
        for (const event of instance.open.values()) run(instance, event);
        orchestrations.wake(instance.instanceId);
      }
      for (const entityId of [...store.entities.keys()]) entities.wake(entityId);
    },
    async stop(graceMs) {
      timers.stop();
      const grace = new AbortController();
      await Promise.race([
        Promise.all([activities.drain(), orchestrations.drain(), entities.drain()]),
        clock.sleep(graceMs, grace.signal).catch(() => undefined),
      ]);
      grace.abort();
      isClosed = true;
      store.close();
    },
    clientBinding: (baseUrl) => clientBinding({ baseUrl, taskHubName: deps.taskHubName, systemKey: deps.systemKey }),
    handle: async (request) => (isClosed ? { status: 503, headers: {}, body: '' } : handle(request)),
    exportHistory: (instanceId) => {
      const instance = store.instances.get(instanceId);
      return instance === undefined ? null : recordHistory(instance, timerLimits);
    },
    counters: (instanceId) => {
      const instance = store.instances.get(instanceId);
      return instance === undefined ? null : { ...instance.counters };
    },
    allCounters: () =>
      Object.fromEntries(
        [...store.instances.values()].map(({ instanceId, counters }) => [instanceId, { ...counters }]),
      ),
  };
}
