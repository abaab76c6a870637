import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../../lib/platform/errors';
import { interpretHistory, type InvokeOrchestrator, outcomeOf, replay, type TimerLimits } from './episode';
import { readEntityRequest } from './entity-protocol';
import { orchestratorFailureText } from './failure';
import { type Interpreter, NonDeterminismError, UnschedulableError } from './interpreter';
import { eventFrame, eventType, type InboundEvent, type OrchestratorAnswer, type ScheduledEvent } from './protocol';
import { type EpisodeRecord, type JournalRecord, type Outcome } from './records';
import { type Instance, isFinished, type Store } from './store';

export interface OrchestrationsDeps {
  store: Store;
  commit: (record: JournalRecord) => void;
  invoke: InvokeOrchestrator;
  refuse: (kind: 'activity' | 'orchestrator' | 'entity', name: string) => string | null;
  nowMs: () => number;
  newId: () => string;
  log: (level: 'info' | 'warn' | 'error', message: string) => void;
  timerLimits: TimerLimits;
  /** Replay every episode twice and fail the instance when the answers differ. */
  isStrict: boolean;
}

/** Moves orchestrations forward: one episode at a time per instance. */
export interface Orchestrations {
  /** Call after anything that may have given the instance work. */
  wake(instanceId: string): void;
  /** Starts no further episode; resolves when the running ones have ended. */
  drain(): Promise<void>;
}

/** What is known about an execution between two replays; lost on restart, and then gained again by one replay. */
interface Progress {
  executionId: string;
  interpreter: Interpreter;
  /** Messages, from the front of the inbox, that the interpreter has taken and the history not yet. */
  applied: number;
  /** Set when the orchestrator has ended and open tasks still hold it. */
  closing: Outcome | null;
}

export function createOrchestrations(deps: OrchestrationsDeps): Orchestrations {
  const { store } = deps;
  const known = new Map<string, Progress>();
  const active = new Map<string, Promise<void>>();
  let isDraining = false;

  function progressOf(instance: Instance): Progress | undefined {
    const progress = known.get(instance.instanceId);
    return progress?.executionId === instance.executionId ? progress : undefined;
  }

  function hasWork(instanceId: string): boolean {
    const instance = store.instances.get(instanceId);
    if (isDraining || instance === undefined || isFinished(instance)) return false;
    if (instance.isSuspended) return instance.inbox.some(isTermination);
    return instance.inbox.length > (progressOf(instance)?.applied ?? 0);
  }

  function wake(instanceId: string): void {
    if (active.has(instanceId) || !hasWork(instanceId)) return;
    const run = runWhileThereIsWork(instanceId).finally(() => {
      active.delete(instanceId);
      wake(instanceId);
    });
    active.set(instanceId, run);
  }

  async function runWhileThereIsWork(instanceId: string): Promise<void> {
    try {
      // A turn of the event loop first: completions that arrive together then make one episode.
      for (await nextTurn(); hasWork(instanceId); await nextTurn()) {
        const instance = store.instances.get(instanceId);
        if (instance !== undefined) await step(instance);
      }
    } catch (error) {
      // Most likely the journal cannot be written: nothing may go on as if it had been.
      isDraining = true;
      deps.log('error', `The Durable engine has stopped: instance ${instanceId} hit ${messageOf(error)}`);
    }
  }

  async function step(instance: Instance): Promise<void> {
    // Never backwards, whatever the clock does: the library ignores a time before the last one, and so would disagree.
    const atMs = Math.max(deps.nowMs(), instance.updatedAtMs);
    const progress = progressOf(instance);
    const termination = instance.inbox.find(isTermination);
    if (termination !== undefined) {
      return finish(instance, atMs, instance.inbox.length, { kind: 'terminated', reason: termination.Input });
    }
    try {
      if (progress !== undefined && !takeWithoutReplay(instance, progress, atMs)) return;
      await runEpisode(instance, atMs);
    } catch (error) {
      if (!(error instanceof NonDeterminismError || error instanceof UnschedulableError)) throw error;
      const prefix = error instanceof NonDeterminismError ? 'Non-deterministic orchestrator detected: ' : '';
      const reason = orchestratorFailureText(instance.name, prefix + error.message);
      finish(instance, atMs, instance.inbox.length, { kind: 'failed', reason, details: error.stack ?? '' });
    }
  }

  /** Takes new messages as far as the orchestrator's code is not concerned. Returns whether it is. */
  function takeWithoutReplay(instance: Instance, progress: Progress, atMs: number): boolean {
    const { interpreter, closing } = progress;
    for (; progress.applied < instance.inbox.length; progress.applied += 1) {
      const event = instance.inbox[progress.applied];
      if (event === undefined) break;
      interpreter.apply(event, atMs);
      if (closing === null && interpreter.userMayMove) return true;
    }
    const scheduled = interpreter.takeScheduled();
    const outcome = closing !== null && mayEnd(instance, interpreter, scheduled) ? closing : undefined;
    if (scheduled.length === 0 && outcome === undefined) {
      warnIfStuck(instance, progress);
      return false;
    }

    const consumed = progress.applied;
    progress.applied = 0;
    commit(instance, { atMs, consumed, replayed: false, scheduled, cancelledTimers: [], outcome });
    return false;
  }

  async function runEpisode(instance: Instance, atMs: number): Promise<void> {
    const batch = [...instance.inbox];
    const answer = await replayOver(instance, atMs, batch);
    // A host that is going down fails what it runs. Nothing is lost by forgetting this episode: the next start repeats it.
    if (isDraining && answer.end.kind === 'threw') return;
    const interpreter = interpretHistory(instance.history ?? [], {
      actions: answer.actions,
      executionId: instance.executionId,
      newId: deps.newId,
      refuse: deps.refuse,
      ...deps.timerLimits,
    });
    for (const event of batch) interpreter.apply(event, atMs);

    const scheduled = interpreter.takeScheduled();
    const cancelledTimers = interpreter.cancelledTimers.filter((taskId) => instance.open.has(taskId));
    const closing = outcomeOf(answer, instance.name, deps.newId);
    const mayEndNow = closing !== null && mayEnd(instance, interpreter, scheduled, cancelledTimers);
    const { customStatus } = answer;
    commit(instance, {
      atMs,
      consumed: batch.length,
      replayed: true,
      scheduled,
      cancelledTimers,
      ...(customStatus === null || customStatus === instance.customStatus ? {} : { customStatus }),
      outcome: mayEndNow ? closing : undefined,
    });
    if (mayEndNow) return;
    const progress = { executionId: instance.executionId, interpreter, applied: 0, closing };
    known.set(instance.instanceId, progress);
    warnIfStuck(instance, progress);
  }

  /** An orchestration can await what never comes (a known trap of the library): the instance stays, so say it. */
  function warnIfStuck(instance: Instance, { applied, interpreter }: Progress): void {
    if (instance.open.size > 0 || instance.inbox.length > applied || interpreter.waitsForEvents) return;
    deps.log('warn', `Instance ${instance.instanceId} (${instance.name}) waits for nothing that can ever happen.`);
  }

  async function replayOver(instance: Instance, atMs: number, batch: InboundEvent[]): Promise<OrchestratorAnswer> {
    const started = { EventType: eventType.orchestratorStarted, ...eventFrame(atMs) };
    const history = [...(instance.history ?? []), started, ...batch];
    const execution = { ...instance, parentInstanceId: instance.parent?.instanceId ?? null };
    const run = (): Promise<OrchestratorAnswer> => replay(deps.invoke, execution, history, deps.timerLimits);
    const answer = await run();
    if (deps.isStrict) requireSame(answer, await run());
    return answer;
  }

  function commit(
    instance: Instance,
    episode: Omit<EpisodeRecord, 'type' | 'instanceId' | 'started' | 'messages' | 'operations'>,
  ): void {
    const record: EpisodeRecord = {
      type: 'episode',
      instanceId: instance.instanceId,
      ...episode,
      started: [],
      messages: [],
      operations: [],
    };
    for (const event of episode.scheduled) addEffect(record, instance, event);
    if (episode.outcome !== undefined) {
      known.delete(instance.instanceId);
      tellParent(record, instance, episode.outcome);
      if (episode.outcome.kind === 'failed') {
        deps.log('warn', `Instance ${instance.instanceId} failed. ${episode.outcome.reason}`);
      }
    }
    deps.commit(record);
  }

  function finish(instance: Instance, atMs: number, consumed: number, outcome: Outcome): void {
    commit(instance, { atMs, consumed, replayed: false, scheduled: [], cancelledTimers: [], outcome });
  }

  function addEffect(record: EpisodeRecord, instance: Instance, event: ScheduledEvent): void {
    const { instanceId, executionId } = instance;
    if (event.EventType === eventType.eventSent) {
      const { id, signal, input } = readEntityRequest(event.Input);
      const caller = signal ? null : { instanceId, executionId };
      const operation = { requestId: id, name: event.Name, ...(input === undefined ? {} : { input }), caller };
      record.operations.push({ type: 'operation', entityId: event.InstanceId, operation });
    } else if (event.EventType === eventType.subOrchestrationCreated) {
      const taken = store.instances.get(event.InstanceId);
      if (
        (taken !== undefined && !isFinished(taken)) ||
        record.started.some((other) => other.instanceId === event.InstanceId)
      ) {
        const Reason = `An orchestration instance with the id '${event.InstanceId}' is already running.`;
        const failed = {
          EventType: eventType.subOrchestrationFailed,
          ...eventFrame(record.atMs),
          TaskScheduledId: event.EventId,
          Reason,
          Details: '',
        };
        record.messages.push({ type: 'message', instanceId, executionId, event: failed });
        return;
      }
      record.started.push({
        type: 'created',
        instanceId: event.InstanceId,
        executionId: deps.newId(),
        name: event.Name,
        input: event.Input,
        ...(event.Version === undefined ? {} : { version: event.Version }),
        parent: { instanceId, executionId, taskId: event.EventId },
        atMs: record.atMs,
      });
    }
  }

  return {
    wake,
    async drain() {
      isDraining = true;
      await Promise.all(active.values());
    },
  };
}

/** An orchestration ends when its code has ended and nothing that it started is open. */
function mayEnd(
  instance: Instance,
  interpreter: Interpreter,
  scheduled: readonly ScheduledEvent[],
  cancelledTimers: readonly number[] = [],
): boolean {
  const opened = scheduled.filter((event) => event.EventType !== eventType.eventSent).length;
  return interpreter.isDrained && instance.open.size + opened === cancelledTimers.length;
}

function tellParent(record: EpisodeRecord, instance: Instance, outcome: Outcome): void {
  if (instance.parent === null || outcome.kind === 'continuedAsNew') return;
  const { instanceId, executionId, taskId } = instance.parent;
  const frame = { ...eventFrame(record.atMs), TaskScheduledId: taskId };
  record.messages.push({
    type: 'message',
    instanceId,
    executionId,
    event:
      outcome.kind === 'completed'
        ? { EventType: eventType.subOrchestrationCompleted, ...frame, Result: outcome.output }
        : {
            EventType: eventType.subOrchestrationFailed,
            ...frame,
            Reason: outcome.reason,
            Details: outcome.kind === 'failed' ? outcome.details : '',
            ...(outcome.kind === 'failed' && outcome.failureDetails !== undefined
              ? { FailureDetails: outcome.failureDetails }
              : {}),
          },
  });
}

function isTermination(event: InboundEvent): event is Extract<InboundEvent, { EventType: 3 }> {
  return event.EventType === eventType.executionTerminated;
}

function requireSame(first: OrchestratorAnswer, second: OrchestratorAnswer): void {
  // A stack trace may differ between two runs of one deterministic orchestrator.
  const comparable = ({ end, ...rest }: OrchestratorAnswer): string =>
    JSON.stringify({ ...rest, end: end.kind === 'threw' ? { ...end, stack: '' } : end });
  if (comparable(first) === comparable(second)) return;
  throw new NonDeterminismError(
    `two replays of the same history gave different answers: ${comparable(first)} and ${comparable(second)}`,
  );
}
