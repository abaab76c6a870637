import { entityNameOf } from './entity-protocol';
import { eventFrame, eventType } from './protocol';
import { type JournalRecord } from './records';
import { isFinished, type Store } from './store';

/** What clients may do to instances and entities. */
export interface Commands {
  start(request: { name: string; instanceId: string | null; input: string; version?: string }): StartResult;
  /** The same orchestrator with the same input once more. */
  restart(instanceId: string, withNewId: boolean): StartResult | { kind: 'notFound' };
  raiseEvent(instanceId: string, eventName: string, input: string): CommandResult;
  terminate(instanceId: string, reason: string): CommandResult;
  setSuspended(instanceId: string, isSuspended: boolean): CommandResult;
  /** Deletes finished instances only. */
  purge(instanceIds: readonly string[]): void;
  /** @param input JSON text; undefined for none. */
  signalEntity(entityId: string, name: string, input: string | undefined): { kind: 'accepted' } | Refused;
}

type Refused = { kind: 'refused'; message: string };
export type StartResult = { kind: 'started'; instanceId: string } | { kind: 'conflict'; message: string } | Refused;
export type CommandResult = 'accepted' | 'notFound' | 'gone';

export interface CommandsDeps {
  store: Store;
  commit: (record: JournalRecord) => void;
  refuse: (kind: 'orchestrator' | 'entity', name: string) => string | null;
  nowMs: () => number;
  newId: () => string;
}

const longestInstanceId = 256;

export function createCommands(deps: CommandsDeps): Commands {
  const { store, commit, newId, nowMs } = deps;

  function start(request: { name: string; instanceId: string | null; input: string; version?: string }): StartResult {
    const instanceId = request.instanceId ?? newId().replaceAll('-', '');
    const problem = deps.refuse('orchestrator', request.name) ?? instanceIdProblem(instanceId);
    if (problem !== null) return { kind: 'refused', message: problem };
    const existing = store.instances.get(instanceId);
    if (existing !== undefined && !isFinished(existing)) {
      const message = `An Orchestration instance with the status ${existing.status} already exists.`;
      return { kind: 'conflict', message };
    }
    const { name, input, version } = request;
    const versioned = version === undefined ? {} : { version };
    const created = { instanceId, executionId: newId(), name, input, ...versioned, parent: null, atMs: nowMs() };
    commit({ type: 'created', ...created });
    return { kind: 'started', instanceId };
  }

  /** Does `act` when the instance is there and running. */
  function onRunning(instanceId: string, act: () => void): CommandResult {
    const instance = store.instances.get(instanceId);
    if (instance === undefined) return 'notFound';
    if (isFinished(instance)) return 'gone';
    act();
    return 'accepted';
  }

  return {
    start,
    restart(instanceId, withNewId) {
      const instance = store.instances.get(instanceId);
      if (instance === undefined) return { kind: 'notFound' };
      const { name, input, version } = instance;
      return start({
        name,
        input,
        instanceId: withNewId ? null : instanceId,
        ...(version === undefined ? {} : { version }),
      });
    },
    raiseEvent: (instanceId, Name, Input) =>
      onRunning(instanceId, () => {
        const event = { EventType: eventType.eventRaised, ...eventFrame(nowMs()), Name, Input };
        commit({ type: 'message', instanceId, executionId: null, event });
      }),
    terminate: (instanceId, reason) =>
      onRunning(instanceId, () => {
        const event = { EventType: eventType.executionTerminated, ...eventFrame(nowMs()), Input: reason };
        commit({ type: 'message', instanceId, executionId: null, event });
      }),
    setSuspended: (instanceId, isSuspended) =>
      onRunning(instanceId, () => commit({ type: 'suspension', instanceId, isSuspended, atMs: nowMs() })),
    purge(instanceIds) {
      if (instanceIds.length > 0) commit({ type: 'purged', instanceIds: [...instanceIds] });
    },
    signalEntity(entityId, name, input) {
      const problem = deps.refuse('entity', entityNameOf(entityId));
      if (problem !== null) return { kind: 'refused', message: problem };
      const operation = { requestId: newId(), name, ...(input === undefined ? {} : { input }), caller: null };
      commit({ type: 'operation', entityId, operation });
      return { kind: 'accepted' };
    },
  };
}

function instanceIdProblem(instanceId: string): string | null {
  if (instanceId === '' || instanceId.length > longestInstanceId) {
    return `Instance ids have 1 to ${longestInstanceId} characters.`;
  }
  if (instanceId.startsWith('@')) return 'Orchestration instance ids must not start with @.';
  if (/[/\\#?\p{Cc}]/u.test(instanceId)) {
    return 'Orchestration instance ids must not contain /, \\, #, ?, or control characters.';
  }
  return null;
}
