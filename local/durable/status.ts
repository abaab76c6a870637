import { eventType, type HistoryEvent } from './protocol';
import { type Instance } from './store';

export interface StatusOptions {
  showInput: boolean;
  showHistory: boolean;
  showHistoryOutput: boolean;
}

export function runtimeStatusOf(instance: Instance): string {
  return instance.isSuspended ? 'Suspended' : instance.status;
}

/** What the management API says about an instance. `historyEvents` is null also when the history was dropped. */
export function statusOf(instance: Instance, options: StatusOptions): Record<string, unknown> {
  return {
    name: instance.name,
    instanceId: instance.instanceId,
    runtimeStatus: runtimeStatusOf(instance),
    input: options.showInput ? parse(instance.input) : null,
    customStatus: parse(instance.customStatus),
    output: parse(instance.output),
    createdTime: seconds(instance.createdAtMs),
    lastUpdatedTime: seconds(instance.updatedAtMs),
    historyEvents:
      options.showHistory && instance.history !== null
        ? historyRows(instance.history, options.showHistoryOutput)
        : null,
  };
}

/** One row per thing that happened: a completion tells what was scheduled and when, frames are left out. */
function historyRows(history: readonly HistoryEvent[], showOutput: boolean): Array<Record<string, unknown>> {
  const scheduled = new Map(history.map((event) => [event.EventId, event]));
  const rows: Array<Record<string, unknown>> = [];
  for (const event of history) {
    const name = rowNames[event.EventType];
    if (name === undefined) continue;
    const cause = 'TaskScheduledId' in event ? scheduled.get(event.TaskScheduledId) : event;
    rows.push({
      EventType: name,
      Timestamp: event.Timestamp,
      ...(cause !== undefined && 'Name' in cause ? { FunctionName: cause.Name } : {}),
      ...('TaskScheduledId' in event ? { ScheduledTime: cause?.Timestamp } : {}),
      ...('FireAt' in event ? { FireAt: event.FireAt } : {}),
      ...('Reason' in event ? { Reason: event.Reason, Details: event.Details } : {}),
      ...(showOutput && 'Result' in event ? { Result: parse(event.Result) } : {}),
    });
  }
  return rows;
}

/** The events that make a row. */
const rowNames: Partial<Record<number, string>> = {
  [eventType.executionStarted]: 'ExecutionStarted',
  [eventType.executionCompleted]: 'ExecutionCompleted',
  [eventType.executionFailed]: 'ExecutionFailed',
  [eventType.executionTerminated]: 'ExecutionTerminated',
  [eventType.taskCompleted]: 'TaskCompleted',
  [eventType.taskFailed]: 'TaskFailed',
  [eventType.subOrchestrationCompleted]: 'SubOrchestrationInstanceCompleted',
  [eventType.subOrchestrationFailed]: 'SubOrchestrationInstanceFailed',
  [eventType.timerFired]: 'TimerFired',
  [eventType.eventRaised]: 'EventRaised',
};

function parse(text: string | null): unknown {
  const value: unknown = text === null ? null : JSON.parse(text);
  return value;
}

/** Times in the management API have no fractions of a second. */
function seconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
