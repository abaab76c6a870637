import {
  type Action,
  actionType,
  activityInputText,
  eventFrame,
  eventType,
  type HistoryEvent,
  type InboundEvent,
  type RetryOptions,
  type ScheduledEvent,
} from './protocol';
import { entityNameOf, isEntityFailure, readEntityRequest, writeEntityRequest } from './entity-protocol';

/**
 * Walks an orchestrator's actions as the Durable extension's out-of-process shim does: action k is awaited before k+1 is
 * invoked. Task numbers are not on the wire: the library and this interpreter count them for themselves, each in the
 * order in which events are processed, so the order here must be the library's in every detail.
 *
 * It also knows, without running the orchestrator, whether an event can make its code go on. That is what lets the
 * engine replay once per step instead of once per event.
 */
export interface Interpreter {
  /** Takes one event at the time of its episode. */
  apply(event: HistoryEvent, atMs: number): void;
  /** From here on new tasks are expected: what was applied before has all been recorded. */
  goLive(): void;
  /** Tasks that were scheduled since the last call. */
  takeScheduled(): ScheduledEvent[];
  /** Recorded timers that the orchestrator has cancelled since. */
  readonly cancelledTimers: readonly number[];
  /** After an `apply`: the orchestrator's code may have something to do. */
  readonly userMayMove: boolean;
  /** Every action was invoked and awaited. */
  readonly isDrained: boolean;
  /** Something outside (an event, an entity's answer) can still make this orchestration go on. */
  readonly waitsForEvents: boolean;
}

export interface InterpreterOptions {
  actions: readonly Action[];
  /** Tasks that this execution has scheduled before, by number. */
  recorded: ReadonlyMap<number, ScheduledEvent>;
  executionId: string;
  /** Timers longer than `maximumTimerMs` are taken in steps of `timerStepMs`, as the library does. */
  maximumTimerMs: number;
  timerStepMs: number;
  newId: () => string;
  /** Returns why a function cannot be called; null when it can. */
  refuse: (kind: 'activity' | 'orchestrator' | 'entity', name: string) => string | null;
}

/** The code took another way than the recorded one. */
export class NonDeterminismError extends Error {
  override readonly name = 'NonDeterminismError';
}

/** The orchestrator asked for something that cannot be scheduled. */
export class UnschedulableError extends Error {
  override readonly name = 'UnschedulableError';
}

/**
 * `user` is how the library's task stands (`all` fails with its first failure), `awaited` whether the shim is done with
 * it (it waits for every member of an `all`, and takes a cancelled timer as done). When a timer was cancelled is not on
 * the wire, only that it was: so a cancelled member never settles an `any`, which must be settled by what came before.
 */
interface Node {
  user: 'running' | 'succeeded' | 'failed';
  awaited: boolean;
  hasCancelled: boolean;
  parent: Compound | null;
}
interface Compound extends Node {
  kind: 'all' | 'any';
  userOpen: number;
  awaitedOpen: number;
}

type Handler = (event: InboundEvent, atMs: number) => void;

/** @throws NonDeterminismError or UnschedulableError from `apply` and `goLive`. */
export function createInterpreter(options: InterpreterOptions): Interpreter {
  const { actions, recorded } = options;
  const handlers = new Map<number, Handler>();
  const requests = new Map<string, Node>();
  const waiters = new Map<string, Node[]>();
  const buffered = new Map<string, number>();
  const matched = new Set<number>();
  const cancelledTimers: number[] = [];
  let scheduled: ScheduledEvent[] = [];
  let isLive = false;
  let nextTaskId = 0;
  let nextAction = 0;
  let current: Node | null = null;
  let hasStarted = false;

  function schedule(event: ScheduledEvent): void {
    const before = recorded.get(event.EventId);
    if (before !== undefined) {
      matched.add(event.EventId);
      if (describe(before) === describe(event)) return;
      throw new NonDeterminismError(
        `task ${event.EventId} was ${describe(before)} before and is ${describe(event)} on replay`,
      );
    }
    if (!isLive) {
      throw new NonDeterminismError(
        `the replay scheduled ${describe(event)} as task ${event.EventId}, where nothing was scheduled before`,
      );
    }
    scheduled.push(event);
  }

  function accept(kind: 'activity' | 'orchestrator' | 'entity', name: string): void {
    const reason = options.refuse(kind, name);
    if (reason !== null) throw new UnschedulableError(reason);
  }

  function scheduleTimer(fireAtMs: number, atMs: number, isCancelled: boolean, onFired: Handler): void {
    const id = nextTaskId++;
    handlers.set(id, onFired);
    if (isCancelled && !recorded.has(id)) return;
    schedule({ EventType: eventType.timerCreated, ...eventFrame(atMs, id), FireAt: new Date(fireAtMs).toISOString() });
    if (isCancelled) cancelledTimers.push(id);
  }

  function scheduleActivity(name: string, input: unknown, atMs: number, onSettled: Handler): void {
    accept('activity', name);
    const id = nextTaskId++;
    handlers.set(id, onSettled);
    const frame = eventFrame(atMs, id);
    schedule({ EventType: eventType.taskScheduled, ...frame, Name: name, Input: activityInputText(input) });
  }

  function scheduleSubOrchestration(
    call: { functionName: string; input?: unknown; instanceId?: string | null; version?: string | null },
    atMs: number,
    onSettled: Handler,
  ): void {
    accept('orchestrator', call.functionName);
    const id = nextTaskId++;
    handlers.set(id, onSettled);
    schedule({
      EventType: eventType.subOrchestrationCreated,
      ...eventFrame(atMs, id),
      Name: call.functionName,
      InstanceId: call.instanceId ? call.instanceId : `${options.executionId}:${id}`,
      Input: JSON.stringify(call.input ?? null),
      ...(call.version ? { Version: call.version } : {}),
    });
  }

  function sendToEntity(
    call: { instanceId: string; operation: string; input?: unknown },
    isSignal: boolean,
    atMs: number,
  ): string {
    accept('entity', entityNameOf(call.instanceId));
    const id = nextTaskId++;
    const before = recorded.get(id);
    const requestId = before?.EventType === eventType.eventSent ? readEntityRequest(before.Input).id : options.newId();
    schedule({
      EventType: eventType.eventSent,
      ...eventFrame(atMs, id),
      InstanceId: call.instanceId,
      Name: call.operation,
      Input: writeEntityRequest(requestId, isSignal, call.input),
    });
    return requestId;
  }

  function withRetry(node: Node, retry: RetryOptions, atMs: number, attempt: (at: number, on: Handler) => void): void {
    let attempts = 1;
    const onSettled: Handler = (event, settledAtMs) => {
      if (!isFailure(event)) return settle(node, 'succeeded', true);
      if (attempts >= retry.maxNumberOfAttempts) {
        // The library takes a task number for a timer after the last failure too, and fails only when that fires.
        return scheduleTimer(settledAtMs, settledAtMs, false, () => settle(node, 'failed', true));
      }
      const timeoutMs = retry.retryTimeoutInMilliseconds;
      if (timeoutMs !== undefined && settledAtMs >= atMs + timeoutMs) {
        // The shim gives up without a timer, the library waits for one: such an orchestration hangs, here as in Azure.
        return settle(node, undefined, true);
      }
      const delayMs = retry.firstRetryIntervalInMilliseconds * (retry.backoffCoefficient ?? 1) ** (attempts - 1);
      const cappedMs = Math.min(delayMs, retry.maxRetryIntervalInMilliseconds ?? Infinity);
      scheduleTimer(settledAtMs + cappedMs, settledAtMs, false, (_fired, firedAtMs) => {
        attempts += 1;
        attempt(firedAtMs, onSettled);
      });
    };
    attempt(atMs, onSettled);
  }

  function invokeTimer(node: Node, fireAtMs: number, isCancelled: boolean, atMs: number): void {
    const step = (nowMs: number): void => {
      const isLong = fireAtMs - nowMs > options.maximumTimerMs;
      scheduleTimer(isLong ? nowMs + options.timerStepMs : fireAtMs, nowMs, isCancelled, (_fired, firedAtMs) => {
        if (fireAtMs > firedAtMs) step(firedAtMs);
        else settle(node, 'succeeded', true);
      });
    };
    step(atMs);
    if (!isCancelled) return;
    node.hasCancelled = true;
    settle(node, undefined, true);
  }

  /** Null: nothing that is awaited. */
  function invoke(action: Action, parent: Compound | null, atMs: number): Node | null {
    const node: Node = { user: 'running', awaited: false, hasCancelled: false, parent };
    const settleBy: Handler = (event) => settle(node, isFailure(event) ? 'failed' : 'succeeded', true);
    switch (action.actionType) {
      case actionType.callActivity:
        scheduleActivity(action.functionName, action.input, atMs, settleBy);
        return node;
      case actionType.callActivityWithRetry:
        withRetry(node, action.retryOptions, atMs, (at, on) =>
          scheduleActivity(action.functionName, action.input, at, on),
        );
        return node;
      case actionType.callSubOrchestrator:
        scheduleSubOrchestration(action, atMs, settleBy);
        return node;
      case actionType.callSubOrchestratorWithRetry:
        withRetry(node, action.retryOptions, atMs, (at, on) => scheduleSubOrchestration(action, at, on));
        return node;
      case actionType.createTimer:
        invokeTimer(node, Date.parse(action.fireAt), action.isCanceled, atMs);
        return node;
      case actionType.waitForExternalEvent:
        awaitEvent(action.externalEventName, node);
        return node;
      case actionType.callEntity:
        requests.set(sendToEntity(action, false, atMs), node);
        return node;
      case actionType.signalEntity:
        sendToEntity(action, true, atMs);
        return null;
      case actionType.continueAsNew:
        return null;
      case actionType.whenAll:
      case actionType.whenAny: {
        const size = action.compoundActions.length;
        const kind = action.actionType === actionType.whenAll ? 'all' : 'any';
        const compound: Compound = { ...node, kind, userOpen: size, awaitedOpen: size };
        for (const child of action.compoundActions) invoke(child, compound, atMs);
        return compound;
      }
      case actionType.callHttp:
        throw new UnschedulableError('callHttp is not supported by this Durable engine: call an activity instead');
      case actionType.lockEntities:
      case actionType.releaseEntities:
        throw new UnschedulableError('Entity locks are not supported by this Durable engine');
    }
  }

  function awaitEvent(name: string, node: Node): void {
    const waiting = buffered.get(name) ?? 0;
    if (waiting > 0) {
      buffered.set(name, waiting - 1);
      return settle(node, 'succeeded', true);
    }
    const list = waiters.get(name);
    if (list === undefined) waiters.set(name, [node]);
    else list.push(node);
  }

  function advance(atMs: number): void {
    while (nextAction < actions.length && (current === null || current.awaited)) {
      const action = actions[nextAction++];
      if (action !== undefined) current = invoke(action, null, atMs) ?? current;
    }
  }

  function raise(name: string, input: string): void {
    const request = requests.get(name);
    if (request !== undefined) {
      requests.delete(name);
      return settle(request, isEntityFailure(input) ? 'failed' : 'succeeded', true);
    }
    // Last in, first out: the library hands an event to the youngest waiter.
    const waiter = waiters.get(name)?.pop();
    if (waiter !== undefined) settle(waiter, 'succeeded', true);
    else buffered.set(name, (buffered.get(name) ?? 0) + 1);
  }

  function apply(event: HistoryEvent, atMs: number): void {
    switch (event.EventType) {
      case eventType.executionStarted:
        hasStarted = true;
        break;
      case eventType.taskCompleted:
      case eventType.taskFailed:
      case eventType.subOrchestrationCompleted:
      case eventType.subOrchestrationFailed:
        run(event.TaskScheduledId, event, atMs);
        break;
      case eventType.timerFired:
        run(event.TimerId, event, atMs);
        break;
      case eventType.eventRaised:
        raise(event.Name, event.Input);
        break;
      default:
        return;
    }
    if (hasStarted) advance(atMs);
  }

  function run(taskId: number, event: InboundEvent, atMs: number): void {
    const handler = handlers.get(taskId);
    handlers.delete(taskId);
    handler?.(event, atMs);
  }

  return {
    apply,
    goLive() {
      for (const [id, event] of recorded) {
        if (matched.has(id)) continue;
        throw new NonDeterminismError(
          `task ${id} was ${describe(event)} before, and the replay did not schedule it again`,
        );
      }
      isLive = true;
    },
    takeScheduled() {
      const taken = scheduled;
      scheduled = [];
      return taken;
    },
    cancelledTimers,
    get userMayMove() {
      return current === null || current.user !== 'running';
    },
    get isDrained() {
      return nextAction === actions.length && (current === null || current.awaited);
    },
    get waitsForEvents() {
      return requests.size > 0 || [...waiters.values()].some((nodes) => nodes.length > 0);
    },
  };
}

/** Passes on what became of a task to the `all` or `any` that it belongs to. */
function settle(node: Node, user: 'succeeded' | 'failed' | undefined, awaited: boolean): void {
  const userNow = node.user === 'running' && user !== undefined ? user : undefined;
  const awaitedNow = awaited && !node.awaited;
  if (userNow !== undefined) node.user = userNow;
  if (awaitedNow) node.awaited = true;
  const parent = node.parent;
  if (parent === null || (userNow === undefined && !awaitedNow)) return;

  if (parent.kind === 'any') return settle(parent, userNow && 'succeeded', awaitedNow && !node.hasCancelled);
  parent.hasCancelled ||= node.hasCancelled;
  if (userNow === 'succeeded') parent.userOpen -= 1;
  if (awaitedNow) parent.awaitedOpen -= 1;
  const parentUser = userNow === 'failed' ? 'failed' : parent.userOpen === 0 ? 'succeeded' : undefined;
  settle(parent, parentUser, parent.awaitedOpen === 0);
}

function isFailure(event: InboundEvent): boolean {
  return event.EventType === eventType.taskFailed || event.EventType === eventType.subOrchestrationFailed;
}

function describe(event: ScheduledEvent): string {
  switch (event.EventType) {
    case eventType.taskScheduled:
      return `activity '${event.Name}'`;
    case eventType.subOrchestrationCreated:
      return `sub-orchestration '${event.Name}'`;
    case eventType.timerCreated:
      return 'a timer';
    case eventType.eventSent:
      return `operation '${event.Name}' on entity '${event.InstanceId}'`;
  }
}
