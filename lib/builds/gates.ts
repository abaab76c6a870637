import { type Approval } from '../platform/approvals';
import { sha256 } from '../platform/hash';
import { type Build, type BuildOptions, type Plan, type Progress } from './schema';

/**
 * Gates: targets of a tag that are not handed out before somebody approved it. A gate's name is the tag in lower case,
 * because a target that escapes its approval by a capital letter would be the worst of surprises. Pure decisions.
 */

export type GateState =
  | { kind: 'open' }
  | { kind: 'waiting'; approvalId: string; expiresAt: string }
  /** Its targets end as `skipped`, for this reason. */
  | { kind: 'refused'; reason: string };

/** The gates of a run that still hold something back, or did until now. A gate that is not in here holds nothing. */
export type Gates = ReadonlyMap<string, GateState>;

export const noGates: Gates = new Map();

export type GateOption = BuildOptions['approvals'][number];

/** The gate of a tag; undefined: its targets need nobody's approval. */
export function gateOf(tag: string, { approvals }: BuildOptions): string | undefined {
  const gate = tag.toLowerCase();
  return approvals.some((option) => option.tag.toLowerCase() === gate) ? gate : undefined;
}

/** Gates with targets that are not handed out yet, each with how many its targets are in all. */
export function closedOver(plan: Plan, progress: Progress): Map<string, number> {
  const counts = new Map<string, number>();
  const waiting = new Set<string>();
  for (const [index, { gate, count }] of plan.keys.entries()) {
    if (gate === undefined) continue;
    counts.set(gate, (counts.get(gate) ?? 0) + count);
    if ((progress.keys[index]?.sent ?? 0) < count) waiting.add(gate);
  }
  return new Map([...counts].filter(([gate]) => waiting.has(gate)));
}

/** One question per run and gate: a retry asks again, because what was refused once would stay refused for ever. */
export function approvalIdOf({ buildId, run }: Pick<Build, 'buildId' | 'run'>, gate: string): string {
  return `build-${buildId}-${run}-${sha256(gate).slice(0, 12)}`;
}

export function gateStateOf(approval: Approval): GateState {
  const { id, state, expiresAt, decision } = approval;
  switch (state) {
    case 'approved':
      return { kind: 'open' };
    case 'pending':
      return { kind: 'waiting', approvalId: id, expiresAt };
    case 'rejected':
    case 'expired':
    case 'withdrawn':
      return {
        kind: 'refused',
        reason: `approval ${state}: ${decision?.reason ?? ''} (${decision?.actor ?? 'nobody'})`,
      };
  }
}

export function isHeld(gates: Gates, gate: string | undefined): boolean {
  return gate !== undefined && (gates.get(gate) ?? { kind: 'open' }).kind !== 'open';
}

/** The approvals that hold targets back. */
export function heldBack(gates: Gates): NonNullable<Build['approvals']> {
  return [...gates].flatMap(([tag, state]) => {
    if (state.kind !== 'waiting') return [];
    return [{ tag, approvalId: state.approvalId, expiresAt: state.expiresAt }];
  });
}

/** What a build waits for, in words: people first, then what does not move by itself; null: nothing in particular. */
export function waitingForText({ approvals = [], waitingFor }: Pick<Build, 'approvals' | 'waitingFor'>): string | null {
  const people = approvals.map(({ tag, expiresAt }) => `approval of the targets #${tag} until ${expiresAt}`);
  const texts = [...people, ...(waitingFor === null ? [] : [waitingFor])];
  return texts.length === 0 ? null : texts.join('; ');
}
