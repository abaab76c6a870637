import { type InputProblem } from '../platform/errors';
import { createProblemList } from '../platform/problems';
import { targetLimits } from '../targets/limits';
import { type Target } from '../targets/model';
import { gateOf, type Gates, isHeld, noGates } from './gates';
import { laneKeyOf, lanesPerKey, needsTags, withEnded } from './lanes';
import { type BuildState, outcomeStatuses } from './model';
import {
  type Build,
  type BuildOptions,
  type Outcome,
  type OutcomeCounts,
  type Plan,
  type PlanKey,
  type PlannedTarget,
  type Progress,
} from './schema';

/** The pure decisions of a build: what is planned, what happens next, how it ends. */

export const planPageSize = 500;

/** Problems that only the combination of targets and options can have. */
export function checkTargets(targets: readonly Target[], options: BuildOptions): InputProblem[] {
  const problems = createProblemList(targetLimits.problems, 'targets.more');
  if (needsTags(options.concurrencyType)) {
    const message = `concurrencyType ${options.concurrencyType} needs a #tag on every target; this one has none`;
    for (const { tag, line } of targets) if (tag === '') problems.add('targets.untagged', message, null, line);
  }
  const tags = new Set(targets.map(({ tag }) => tag.toLowerCase()));
  // A misspelt tag would let everything go out that somebody meant to hold back.
  for (const { tag } of options.approvals) {
    if (tags.has(tag.toLowerCase())) continue;
    problems.add('targets.approvalTag', `an approval is asked for targets #${tag}, and no target has this tag`);
  }
  return problems.list();
}

/** Orders the targets by lane key and gate, keeping the order of the file within them. */
export function planTargets(
  targets: readonly PlannedTarget[],
  options: BuildOptions,
  buildId: string,
): { plan: Plan; ordered: PlannedTarget[] } {
  const groups = new Map<string, { key: string; gate: string | undefined; targets: PlannedTarget[] }>();
  for (const planned of targets) {
    const key = laneKeyOf(planned.target, options.concurrencyType, buildId);
    const gate = gateOf(planned.target.tag, options);
    const place = JSON.stringify([key, gate]);
    const group = groups.get(place);
    if (group === undefined) groups.set(place, { key, gate, targets: [planned] });
    else group.targets.push(planned);
  }
  const keys: PlanKey[] = [];
  const ordered: PlannedTarget[] = [];
  for (const { key, gate, targets: group } of groups.values()) {
    const gated = gate === undefined ? {} : { gate };
    keys.push({ key, ...gated, start: ordered.length, count: group.length });
    for (const planned of group) ordered.push(planned);
  }
  const lanes = lanesPerKey(options.concurrencyType, options.concurrencyLimit);
  return { plan: { total: ordered.length, pageSize: planPageSize, lanesPerKey: lanes, keys }, ordered };
}

export function noOutcomes(): OutcomeCounts {
  return {
    committed: 0,
    alreadyApplied: 0,
    trialRolledBack: 0,
    rolledBack: 0,
    failed: 0,
    skipped: 0,
    rejected: 0,
    unknown: 0,
  };
}

/** Counts of `a` and `b` together; with sign -1, `b` taken away from `a`. */
export function combinedCounts(a: OutcomeCounts, b: OutcomeCounts, sign: 1 | -1 = 1): OutcomeCounts {
  const result = noOutcomes();
  for (const status of outcomeStatuses) result[status] = a[status] + sign * b[status];
  return result;
}

/** Targets of this run handed out so far. */
export function handedOut(progress: Progress): number {
  return progress.keys.reduce((sum, { sent }) => sum + sent, 0);
}

export type NextStep =
  /** Every target of the run has its outcome. */
  | { kind: 'finish' }
  /** Top up the lanes. */
  | { kind: 'enqueue' }
  /** Nothing may be begun any more, of this gate if one is named: what was not handed out ends as `skipped`, for this reason. */
  | { kind: 'skipRest'; reason: string; gate?: string }
  /** Paused, or held back, or everything is handed out: only wait for outcomes. */
  | { kind: 'wait' }
  /** Long past the deadline: what has no outcome by now ends as `unknown`. */
  | { kind: 'abandon' };

/** After the deadline running targets may still end; then the build does not wait any longer. */
export function abandonAfterMs(build: Build): number {
  const graceMs = 10 * 60_000;
  return Date.parse(build.deadlineAt) + build.options.defaultScriptTimeoutSeconds * 1_000 + graceMs;
}

/** Level-triggered: decided from what was just read, so it may be asked twice, late, or after a crash. */
export function nextStep(
  build: Build,
  plan: Plan,
  progress: Progress,
  nowMs: number,
  gates: Gates = noGates,
): NextStep {
  const sent = handedOut(progress);
  if (progress.ended >= plan.total) return { kind: 'finish' };
  if (nowMs > abandonAfterMs(build)) return { kind: 'abandon' };
  if (sent >= plan.total) return { kind: 'wait' };
  if (build.control.cancelled !== null)
    return { kind: 'skipRest', reason: `cancelled by ${build.control.cancelled.actor}` };
  if (nowMs > Date.parse(build.deadlineAt)) return { kind: 'skipRest', reason: 'the build reached its deadline' };
  for (const [gate, state] of gates) {
    if (state.kind === 'refused') return { kind: 'skipRest', reason: state.reason, gate };
  }
  if (build.control.paused !== null) return { kind: 'wait' };
  const free = plan.keys.some(
    ({ gate, count }, index) => !isHeld(gates, gate) && (progress.keys[index]?.sent ?? 0) < count,
  );
  if (!free) return { kind: 'wait' };
  return { kind: 'enqueue' };
}

/** How a build ends, once every target has its outcome. */
export function finalState(build: Build, counts: OutcomeCounts): BuildState {
  if (build.control.cancelled !== null) return 'cancelled';
  return failureCount(build, counts) > 0 ? 'finishedWithFailures' : 'succeeded';
}

export function failureCount(build: Build, counts: OutcomeCounts): number {
  return build.options.failureOutcomes.reduce((sum, status) => sum + counts[status], 0);
}

/**
 * How long until the next look. Quick at first, so that a small build is not slower than its databases; the set interval
 * while outcomes come; slower and slower while nothing moves, so that an hour-long script costs few looks.
 */
export function lookDelayMs(progress: Progress, looks: number, intervalMs: number, nowMs: number): number {
  const silenceMs = nowMs - progress.lastOutcomeMs;
  const quick = Math.min(intervalMs, 250 + looks * 50);
  const patient = Math.min(intervalMs * 5, silenceMs / 4);
  return Math.round(Math.max(quick, patient));
}

/** One line for people: what a build that does not move is waiting for. */
export function waitingText(
  outstanding: number,
  busiest: readonly { key: string; outstanding: number }[],
  active: number,
): string {
  const places = busiest.map(({ key, outstanding: count }) => `${key} (${count})`).join(', ');
  return `${outstanding} targets handed out without an outcome, at ${places}; ${active} messages in the queue`;
}

const busiestShown = 5;

export function busiestKeys(progress: Progress): { key: string; outstanding: number }[] {
  return progress.keys
    .map(({ key, lanes }) => ({ key, outstanding: lanes.reduce((sum, count) => sum + count, 0) }))
    .filter(({ outstanding }) => outstanding > 0)
    .sort((a, b) => b.outstanding - a.outstanding)
    .slice(0, busiestShown);
}

/** Counts new outcomes of this run into the progress. Outcomes of earlier runs that a retry marked come by again and do not count. */
export function countOutcomes(progress: Progress, outcomes: readonly Outcome[], nowMs: number): Progress {
  const mine = outcomes.filter(({ run }) => run === progress.run);
  if (mine.length === 0) return progress;
  const counts = { ...progress.counts };
  const gates = new Set(progress.keys.flatMap(({ gate }) => gate ?? []));
  const endedPerLane = new Map<string, number>();
  // Portions of one key share their lanes, so a lane alone does not tell which of them an outcome belongs to.
  const placeOf = (lane: string, gate: string | undefined): string => JSON.stringify([lane, gate]);
  for (const { status, lane, tag } of mine) {
    counts[status] += 1;
    const gate = gates.has(tag.toLowerCase()) ? tag.toLowerCase() : undefined;
    const place = placeOf(lane, gate);
    endedPerLane.set(place, (endedPerLane.get(place) ?? 0) + 1);
  }
  const keys = progress.keys.map((state) =>
    withEnded(state, (lane) => endedPerLane.get(placeOf(lane, state.gate)) ?? 0),
  );
  return { ...progress, counts, keys, ended: progress.ended + mine.length, lastOutcomeMs: nowMs };
}
