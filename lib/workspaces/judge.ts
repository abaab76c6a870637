import { isObject, type JsonObject, mapTexts } from './json';
import { lookUp } from './lookup';
import { markTags } from './model';
import { unfulfilled } from './normalise';
import { type Observation } from './observe';
import { pendingPattern } from './references';
import { type Plan, type Step } from './schema';

/**
 * How a step's subject is now: as the plan found it, as the plan wants it, or neither, because somebody else was there.
 * `id`: of what is there.
 */
export type Standing = { kind: 'before' | 'after'; id: string | null } | { kind: 'other'; why: string };

/** A step's settings with the ids that are known by now. */
export function resolved(spec: JsonObject, createdIds: Readonly<Record<string, string>>): JsonObject {
  const value = mapTexts(spec, (text) => {
    const key = pendingPattern.exec(text)?.[1] ?? '';
    const id = createdIds[key];
    return id === undefined ? text : key.startsWith('job:') ? Number(id) : id;
  });
  return isObject(value) ? value : spec;
}

/** Compares one step of a plan with the workspace as it was read again. */
export function standingOf(
  step: Step,
  plan: Pick<Plan, 'owner'>,
  observation: Observation,
  createdIds: Readonly<Record<string, string>>,
): Standing {
  switch (step.kind) {
    case 'secretScope':
      return scopeStanding(step, observation);
    case 'initScript':
    case 'notebook':
      return fileStanding(step, observation);
    case 'cluster':
    case 'job':
      return specStanding(step, plan.owner, observation, createdIds);
  }
}

function scopeStanding(step: Step, observation: Observation): Standing {
  const scope = observation.scopes.find(({ name }) => name === step.name);
  const isRight = scope?.keyVaultId?.toLowerCase() === String(step.spec?.keyVaultId).toLowerCase();
  if (scope === undefined) {
    return step.action === 'create' ? { kind: 'before', id: null } : { kind: 'other', why: 'it is gone' };
  }
  return isRight
    ? { kind: step.action === 'none' ? 'before' : 'after', id: null }
    : { kind: 'other', why: 'it is another scope now' };
}

function fileStanding(step: Step, observation: Observation): Standing {
  const hash = observation.files.get(step.name)?.hash ?? null;
  if (step.action === 'delete' ? hash === null : step.action !== 'none' && hash === step.expected) {
    return { kind: 'after', id: null };
  }
  return hash === step.observed ? { kind: 'before', id: null } : { kind: 'other', why: changed(hash === null) };
}

function specStanding(
  step: Step,
  owner: string,
  observation: Observation,
  createdIds: Readonly<Record<string, string>>,
): Standing {
  const all = step.kind === 'cluster' ? observation.clusters : observation.jobs;
  const namesakes = all.filter(({ name }) => name === step.name);
  if (step.action !== 'delete' && namesakes.length > 1) {
    const ids = namesakes.map(({ id }) => id).join(', ');
    return { kind: 'other', why: `there are ${namesakes.length} of this name now (${ids})` };
  }
  const current = step.id === null ? namesakes[0] : all.find(({ id }) => id === step.id);
  if (step.action === 'delete') {
    if (current === undefined) return { kind: 'after', id: null };
  } else if (current === undefined) {
    return step.action === 'create' ? { kind: 'before', id: null } : { kind: 'other', why: 'it is gone' };
  }
  if (step.id !== null && current.hash === step.observed) return { kind: 'before', id: current.id };
  if (step.action === 'create' || step.action === 'update') {
    const wrong = lacking(step, owner, current, createdIds);
    if (wrong === null) return { kind: 'after', id: current.id };
  }
  return { kind: 'other', why: step.action === 'create' ? 'something of this name is there now' : changed(false) };
}

/** What keeps a cluster or job from being what the step asked for; null: nothing. */
export function lacking(
  step: Step,
  owner: string,
  current: { owner: string | null; name: string; spec: JsonObject | null },
  createdIds: Readonly<Record<string, string>>,
): string | null {
  if (current.owner !== owner) return `it lacks our mark (${markTags.owner})`;
  if (current.name !== step.name) return `it is called "${current.name}"`;
  const open = unfulfilled(resolved(step.spec ?? {}, createdIds), current.spec ?? {});
  return open.length === 0 ? null : open.join('; ');
}

/**
 * Everything that keeps a plan from being applied, or applied further: each step must be as the plan found it, or as
 * we have left it, which only steps that were begun can be.
 */
export function outdatedSteps(
  plan: Plan,
  progress: { steps: Readonly<Record<string, 'begun' | 'done'>>; createdIds: Readonly<Record<string, string>> },
  observation: Observation,
): string[] {
  const elsewhere = plan.relies.flatMap(({ kind, reference, id }) => {
    const found = lookUp(observation, kind, reference);
    return found.kind === 'one' && found.id === id
      ? []
      : [`${kind}:${reference}: the assets refer to it, and it is not what it was when the plan was made`];
  });
  const ofSteps = plan.steps.flatMap((step) => {
    const standing = standingOf(step, plan, observation, progress.createdIds);
    const mark = progress.steps[step.key];
    if (standing.kind === 'other') return [`${step.key}: ${standing.why}`];
    // As we want it, and not by us: whoever did it may not be through yet.
    if (standing.kind === 'after' && mark === undefined && step.action !== 'none') {
      return [`${step.key}: ${changed(step.action === 'delete')}`];
    }
    // Settings that were only taken away may come back as they were, because the service fills them in.
    const isUndone =
      standing.kind === 'before' && mark === 'done' && step.action !== 'update' && step.action !== 'none';
    return isUndone ? [`${step.key}: what we did was undone`] : [];
  });
  return [...elsewhere, ...ofSteps];
}

/** After everything was applied: what is not as the plan wants it. */
export function unfulfilledSteps(
  plan: Plan,
  createdIds: Readonly<Record<string, string>>,
  observation: Observation,
): string[] {
  return plan.steps.flatMap((step) => {
    const standing = standingOf(step, plan, observation, createdIds);
    if (standing.kind === 'other') return [`${step.key}: ${standing.why}`];
    if (standing.kind === 'after' || step.action === 'none') return [];
    if (step.action === 'update' && step.spec !== null) {
      const all = step.kind === 'cluster' ? observation.clusters : observation.jobs;
      const current = all.find(({ id }) => id === step.id);
      const wrong = current === undefined ? 'it is gone' : lacking(step, plan.owner, current, createdIds);
      return wrong === null ? [] : [`${step.key}: ${wrong}`];
    }
    return [`${step.key}: it is still as it was`];
  });
}

function changed(gone: boolean): string {
  return gone ? 'it is gone since the plan was made' : 'it was changed since the plan was made';
}

/** Ids of what was created before a crash, found by name and mark; by the keys of the steps. */
export function idsCreated(
  plan: Plan,
  observation: Observation,
  createdIds: Readonly<Record<string, string>>,
): Record<string, string> {
  // One may refer to another, so each is judged with what is known by then.
  const known = { ...createdIds };
  for (const step of plan.steps) {
    if (step.action !== 'create' || (step.kind !== 'cluster' && step.kind !== 'job')) continue;
    const standing = standingOf(step, plan, observation, known);
    if (standing.kind === 'after' && standing.id !== null) known[step.key] = standing.id;
  }
  return known;
}
