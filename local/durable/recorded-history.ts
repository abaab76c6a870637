import { z } from 'zod';
import { interpretHistory, type InvokeOrchestrator, outcomeOf, replay, type TimerLimits } from './episode';
import { NonDeterminismError, UnschedulableError } from './interpreter';
import { eventType, type HistoryEvent, historyEvent } from './protocol';
import { type Outcome } from './records';
import { type Instance } from './store';

/** One execution as it happened: what a change of the orchestrator's code is held against. */
export const recordedHistory = z.object({
  format: z.literal(1),
  name: z.string(),
  instanceId: z.string(),
  executionId: z.string(),
  parentInstanceId: z.string().nullable(),
  /** JSON text. */
  input: z.string(),
  maximumTimerMs: z.number(),
  timerStepMs: z.number(),
  events: z.array(historyEvent),
});
export type RecordedHistory = z.infer<typeof recordedHistory>;

/** Null when the instance's history was dropped. */
export function recordHistory(instance: Instance, limits: TimerLimits): RecordedHistory | null {
  const { executionId, history, input, instanceId, name, parent } = instance;
  if (history === null) return null;
  const parentInstanceId = parent?.instanceId ?? null;
  return { format: 1, name, instanceId, executionId, parentInstanceId, input, ...limits, events: [...history] };
}

export type ReplayVerdict = { same: true } | { same: false; divergence: string };

/**
 * Replays a recorded history against the orchestrator as it is today. `same: false` means that an instance which was
 * running with this history when the new code was deployed would have failed or gone astray.
 */
export async function replayHistory(recorded: RecordedHistory, invoke: InvokeOrchestrator): Promise<ReplayVerdict> {
  const diverged = (divergence: string): ReplayVerdict => ({ same: false, divergence });
  const answer = await replay(invoke, recorded, recorded.events, recorded);
  try {
    interpretHistory(recorded.events, {
      actions: answer.actions,
      executionId: recorded.executionId,
      maximumTimerMs: recorded.maximumTimerMs,
      timerStepMs: recorded.timerStepMs,
      newId: () => 'replayed',
      refuse: () => null,
    });
  } catch (error) {
    if (error instanceof NonDeterminismError || error instanceof UnschedulableError) return diverged(error.message);
    throw error;
  }
  const before = recordedEnd(recorded.events);
  const now = outcomeOf(answer, recorded.name, () => 'replayed');
  if (before === null || endText(now) === before) return { same: true };
  return diverged(`the execution ended with ${before} before and with ${endText(now)} on replay`);
}

function recordedEnd(events: readonly HistoryEvent[]): string | null {
  for (const event of events) {
    if (event.EventType === eventType.executionCompleted) return `the output ${event.Result}`;
    if (event.EventType === eventType.executionFailed) return 'a failure';
  }
  return null;
}

function endText(outcome: Outcome | null): string {
  if (outcome === null) return 'nothing yet';
  if (outcome.kind === 'completed') return `the output ${outcome.output}`;
  return outcome.kind === 'failed' ? 'a failure' : outcome.kind;
}
