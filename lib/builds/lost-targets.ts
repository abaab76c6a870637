import { forEachConcurrently } from '../platform/concurrency';
import { type PlanReader } from './plan-reader';
import { outcomeWithoutRun } from './outcome';
import { type Plan, type PlannedTarget, type Progress, type RunInput } from './schema';
import { type OutcomeStore } from './store';

/** A target that was handed out and has no outcome; `keyIndex` is the place of its lane key in plan and progress. */
export interface OutstandingTarget {
  planned: PlannedTarget;
  keyIndex: number;
}

/** Finds what is outstanding from the plan and the outcomes alone, page by page: queues may lose messages, these may not. */
export async function* outstandingTargets(
  deps: { outcomes: OutcomeStore; plans: PlanReader },
  run: RunInput,
  plan: Plan,
  progress: Progress,
): AsyncGenerator<OutstandingTarget[]> {
  for (let index = 0; index * plan.pageSize < plan.total; index += 1) {
    const handedOut = (await deps.plans.page(run, index)).flatMap((planned, offset) => {
      const keyIndex = keyOfHandedOut(plan, progress, index * plan.pageSize + offset);
      return keyIndex === null ? [] : [{ planned, keyIndex }];
    });
    if (handedOut.length === 0) continue;
    const ids = handedOut.map(({ planned }) => planned.target.id);
    const ended = await deps.outcomes.ended(run.buildId, run.run, ids);
    const outstanding = handedOut.filter(({ planned }) => !ended.has(planned.target.id));
    if (outstanding.length > 0) yield outstanding;
  }
}

const writesAtOnce = 16;

/** Gives every outstanding target the outcome `unknown`, for a build that has to end. */
export async function giveUpOutstanding(
  deps: { outcomes: OutcomeStore; plans: PlanReader },
  run: RunInput,
  plan: Plan,
  progress: Progress,
  nowMs: number,
): Promise<void> {
  const reason = 'no worker told how this target ended before the build had to end';
  for await (const targets of outstandingTargets(deps, run, plan, progress)) {
    await forEachConcurrently(targets, writesAtOnce, async ({ planned }) => {
      await deps.outcomes.create(outcomeWithoutRun({ ...planned, ...run, lane: '' }, 'unknown', reason, nowMs));
    });
  }
}

function keyOfHandedOut(plan: Plan, progress: Progress, ordinal: number): number | null {
  const index = plan.keys.findIndex(({ start, count }) => ordinal >= start && ordinal < start + count);
  const key = plan.keys[index];
  const state = progress.keys[index];
  return key !== undefined && state !== undefined && ordinal < key.start + state.sent ? index : null;
}
