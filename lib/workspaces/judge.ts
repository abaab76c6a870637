import { isObject, type JsonObject, mapTexts } from './json';
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
export function resolved(spec: JsonObject, clusterIds: Readonly<Record<string, string>>): JsonObject {
  const value = mapTexts(spec, (text) => {
    const name = pendingPattern.exec(text)?.[1];
    return name === undefined ? text : (clusterIds[name] ?? text);
  });
  return isObject(value) ? value : spec;
}

/** Compares one step of a plan with the workspace as it was read again. */
export function standingOf(
  step: Step,
  plan: Pick<Plan, 'owner'>,
  observation: Observation,
  clusterIds: Readonly<Record<string, string>>,
): Standing {
  switch (step.kind) {
    case 'secretScope':
      return scopeStanding(step, observation);
    case 'initScript':
    case 'notebook':
      return fileStanding(step, observation);
    case 'cluster':
    case 'job':
      return specStanding(step, plan.owner, observation, clusterIds);
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
  clusterIds: Readonly<Record<string, string>>,
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
    const wrong = lacking(step, owner, current, clusterIds);
    if (wrong === null) return { kind: 'after', id: current.id };
  }
  return { kind: 'other', why: step.action === 'create' ? 'something of this name is there now' : changed(false) };
}

/** What keeps a cluster or job from being what the step asked for; null: nothing. */
export function lacking(
  step: Step,
  owner: string,
  current: { owner: string | null; name: string; spec: JsonObject | null },
  clusterIds: Readonly<Record<string, string>>,
): string | null {
  if (current.owner !== owner) return `it lacks our mark (${markTags.owner})`;
  if (current.name !== step.name) return `it is called "${current.name}"`;
  const open = unfulfilled(resolved(step.spec ?? {}, clusterIds), current.spec ?? {});
  return open.length === 0 ? null : open.join('; ');
}

/**
 * Everything that keeps a plan from being applied, or applied further: each step must be as the plan found it, or as
 * we have left it, which only steps that were begun can be.
 */
export function outdatedSteps(
  plan: Plan,
  progress: { steps: Readonly<Record<string, 'begun' | 'done'>>; clusterIds: Readonly<Record<string, string>> },
  observation: Observation,
): string[] {
  return plan.steps.flatMap((step) => {
    const standing = standingOf(step, plan, observation, progress.clusterIds);
    const mark = progress.steps[step.key];
    if (standing.kind === 'other') return [`${step.key}: ${standing.why}`];
    if (standing.kind === 'after' && mark === undefined && step.action !== 'none') {
      // A deletion that somebody did for us changes nothing; a creation would be somebody else's.
      return step.action === 'delete' ? [] : [`${step.key}: ${changed(false)}`];
    }
    // Settings that were only taken away may come back as they were, because the service fills them in.
    const isUndone =
      standing.kind === 'before' && mark === 'done' && step.action !== 'update' && step.action !== 'none';
    return isUndone ? [`${step.key}: what we did was undone`] : [];
  });
}

/** After everything was applied: what is not as the plan wants it. */
export function unfulfilledSteps(
  plan: Plan,
  clusterIds: Readonly<Record<string, string>>,
  observation: Observation,
): string[] {
  return plan.steps.flatMap((step) => {
    const standing = standingOf(step, plan, observation, clusterIds);
    if (standing.kind === 'other') return [`${step.key}: ${standing.why}`];
    if (standing.kind === 'after' || step.action === 'none') return [];
    if (step.action === 'update' && step.spec !== null) {
      const all = step.kind === 'cluster' ? observation.clusters : observation.jobs;
      const current = all.find(({ id }) => id === step.id);
      const wrong = current === undefined ? 'it is gone' : lacking(step, plan.owner, current, clusterIds);
      return wrong === null ? [] : [`${step.key}: ${wrong}`];
    }
    return [`${step.key}: it is still as it was`];
  });
}

function changed(gone: boolean): string {
  return gone ? 'it is gone since the plan was made' : 'it was changed since the plan was made';
}

/** Ids of clusters that were created before a crash, found by name and mark. */
export function createdClusters(
  plan: Plan,
  observation: Observation,
  clusterIds: Readonly<Record<string, string>>,
): Record<string, string> {
  const found = plan.steps.flatMap((step) => {
    if (step.kind !== 'cluster' || step.action !== 'create') return [];
    const standing = standingOf(step, plan, observation, clusterIds);
    return standing.kind === 'after' && standing.id !== null ? [[step.name, standing.id] as const] : [];
  });
  return Object.fromEntries(found);
}
