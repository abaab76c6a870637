import { type Assets, type FileAsset } from './assets';
import { isObject, type JsonObject } from './json';
import { markTags, type StepAction, type StepKind } from './model';
import { differences, type Remembered } from './normalise';
import { expectedHash, type Observation, type ObservedSpec } from './observe';
import { createReferences } from './references';
import { type Relied, type Step } from './schema';

export interface PlanInput {
  assets: Assets;
  observation: Observation;
  owner: string;
  root: string;
  /** What the last plan asked for and what became of it, by step. */
  remembered: Readonly<Record<string, Remembered>>;
  secretScope: { name: string; keyVaultId: string } | null;
  maximumDeletes: number;
  adoptUnmarked: boolean;
}

export interface Planning {
  steps: Step[];
  warnings: string[];
  relies: Relied[];
  /** Why this cannot be deployed; all of it. Not empty: the steps are not to be used. */
  problems: string[];
}

/** Decides what has to be done so that the workspace is what the archive says, and finds every reason why it cannot be. */
export function planWorkspace(input: PlanInput): Planning {
  const { assets, observation, owner, root } = input;
  const warnings: string[] = [];
  const problems: string[] = [];
  const report = (asset: string, message: string): void => void problems.push(`${asset}: ${message}`);

  const wantedFiles = [...assets.initScripts, ...assets.notebooks];
  const paths = new Set(wantedFiles.map(({ target }) => `${root}/${target}`));
  const names = { cluster: new Set(assets.clusters.map(nameOf)), job: new Set(assets.jobs.map(nameOf)) };
  const leaving = {
    clusters: observation.clusters.filter((each) => each.owner === owner && !names.cluster.has(each.name)),
    jobs: observation.jobs.filter((each) => each.owner === owner && !names.job.has(each.name)),
    files: Object.entries(observation.marker?.files ?? {}).filter(
      ([path]) => !paths.has(path) && observation.files.has(path),
    ),
  };
  const references = createReferences({
    assets,
    root,
    observation,
    leaving: new Set([
      ...leaving.clusters.map(({ id }) => `cluster:${id}`),
      ...leaving.jobs.map(({ id }) => `job:${id}`),
    ]),
    report,
    warn: (message) => void warnings.push(message),
  });

  const spec = (kind: 'cluster' | 'job', asset: string, name: string, wanted: JsonObject): Step => {
    const tagField = kind === 'cluster' ? 'custom_tags' : 'tags';
    const marked = {
      ...wanted,
      [tagField]: { ...(isObject(wanted[tagField]) ? wanted[tagField] : {}), ...markOf(owner, asset) },
    };
    const key = `${kind}:${name}`;
    const all: readonly Observed[] = kind === 'cluster' ? observation.clusters : observation.jobs;
    const namesakes = all.filter((each) => each.name === name);
    const [existing] = namesakes;
    const base = { ...noFile, key, kind, asset, name, spec: marked };
    if (namesakes.length > 1) {
      const ids = namesakes.map(({ id }) => id).join(', ');
      report(asset, `${namesakes.length} ${kind}s are called "${name}" (${ids}). Delete or rename all but one.`);
    }
    if (existing === undefined) {
      return { ...base, action: 'create', id: null, observed: null, reason: 'it is not there', changes: [] };
    }
    refuseForeign(existing, asset, `The ${kind} "${name}"`, input, report);
    const changes = differences(marked, existing.spec, input.remembered[key] ?? null);
    const action = changes.length === 0 ? 'none' : 'update';
    const reason =
      action === 'none'
        ? 'it is as the archive says'
        : existing.owner === null
          ? 'it has the name but not our mark: it is taken over'
          : 'it differs';
    return { ...base, action, id: existing.id, observed: existing.hash, reason, changes };
  };

  const steps: Step[] = [
    ...scopeSteps(input, report),
    ...assets.initScripts.map((asset) => fileStep('initScript', asset, input, report)),
    ...assets.clusters.map(({ path, name, spec: wanted }) =>
      spec('cluster', path, name, references.resolve(path, wanted)),
    ),
    ...assets.notebooks.map((asset) => fileStep('notebook', asset, input, report)),
    ...assets.jobs.map(({ path, name, spec: wanted }) => spec('job', path, name, references.resolve(path, wanted))),
    // What refers to others goes first.
    ...leaving.jobs.map((job) => deletion('job', job)),
    ...leaving.files.map(([path, { asset, format, hash }]): Step => {
      const observed = observation.files.get(path)?.hash ?? null;
      const reason = `${left}${observed === hash ? '' : '; it was changed by hand since we put it there'}`;
      const kind = format === 'RAW' ? 'initScript' : 'notebook';
      const key = `${kind}:${path}`;
      return { ...noFile, ...removal, key, kind, asset, name: path, id: null, observed, reason, format };
    }),
    ...leaving.clusters.map((cluster) => deletion('cluster', cluster)),
  ];
  const deletes = steps.filter(({ action }) => action === 'delete');
  if (deletes.length > input.maximumDeletes) {
    const what = deletes.map(({ key }) => key).join(', ');
    problems.push(
      `${deletes.length} assets would be deleted, and ${input.maximumDeletes} are allowed (${what.slice(0, 1_000)}). Raise maximumDeletes of the environment if this is meant.`,
    );
  }
  warnRestarts(steps, observation, warnings);
  return { steps, warnings, problems, relies: references.relied() };
}

/** How many steps of each kind a plan has. */
export function countActions(steps: readonly Step[]): Record<StepAction, number> {
  const counts: Record<StepAction, number> = { create: 0, update: 0, none: 0, delete: 0 };
  for (const { action } of steps) counts[action] += 1;
  return counts;
}

type Observed = Omit<ObservedSpec, 'spec' | 'hash'> & { spec: JsonObject | null; hash: string | null };
type Report = (asset: string, message: string) => void;

const noFile = { content: null, language: null, format: null, expected: null };
const removal = { action: 'delete' as const, spec: null, changes: [] };
const left = 'it is ours, and the archive has it no more';

function nameOf({ name }: { name: string }): string {
  return name;
}

function deletion(kind: StepKind, { id, name, asset, hash }: Observed): Step {
  const from = asset ?? 'unknown';
  return {
    ...noFile,
    ...removal,
    key: `${kind}:${name}:${id}`,
    kind,
    asset: from,
    name,
    id,
    observed: hash,
    reason: left,
  };
}

/** Values of tags may hold few signs besides letters and digits. */
function markOf(owner: string, asset: string): Record<string, string> {
  return { [markTags.owner]: owner, [markTags.asset]: asset.replace(/[^\w./ -]/g, '_').slice(0, 255) };
}

function refuseForeign(existing: Observed, asset: string, what: string, input: PlanInput, report: Report): void {
  if (existing.owner === null && !input.adoptUnmarked) {
    report(asset, `${what} is there without our mark, and the environment forbids taking things over.`);
  } else if (existing.owner !== null && existing.owner !== input.owner) {
    report(asset, `${what} belongs to the deployments of "${existing.owner}".`);
  }
}

function fileStep(kind: 'initScript' | 'notebook', asset: FileAsset, input: PlanInput, report: Report): Step {
  const name = `${input.root}/${asset.target}`;
  const existing = input.observation.files.get(name);
  const expected = expectedHash(asset);
  const { path, language, format, sha256: content } = asset;
  const base = {
    key: `${kind}:${name}`,
    kind,
    asset: path,
    name,
    id: null,
    spec: null,
    changes: [],
    content,
    language,
    format,
    expected,
  };
  if (existing === undefined) return { ...base, action: 'create', observed: null, reason: 'it is not there' };
  const isOurs = input.observation.marker?.files[name] !== undefined;
  const type = format === 'RAW' ? 'FILE' : 'NOTEBOOK';
  if (existing.type !== type) {
    report(path, `At ${name} there is a ${existing.type}, where a ${type} is to be. Move it away.`);
  } else if (!isOurs && !input.adoptUnmarked) {
    report(path, `${name} is there without our mark, and the environment forbids taking things over.`);
  }
  const { hash: observed } = existing;
  if (observed === expected) {
    return { ...base, action: 'none', observed, reason: 'it is as the archive says' };
  }
  const reason = isOurs ? 'its content differs' : 'it is there but not ours: it is taken over';
  return { ...base, action: 'update', observed, reason };
}

function scopeSteps({ secretScope, observation }: PlanInput, report: Report): Step[] {
  if (secretScope === null) return [];
  const { name, keyVaultId } = secretScope;
  const existing = observation.scopes.find((scope) => scope.name === name);
  const base = {
    ...noFile,
    key: `secretScope:${name}`,
    kind: 'secretScope' as const,
    asset: 'environment',
    name,
    id: null,
    changes: [],
  };
  const spec = { keyVaultId };
  if (existing === undefined) {
    return [{ ...base, action: 'create', spec, observed: null, reason: 'it is not there' }];
  }
  if (existing.keyVaultId?.toLowerCase() !== keyVaultId.toLowerCase()) {
    report('environment', `The secret scope "${name}" is backed by something else than the environment's Key Vault.`);
  }
  return [{ ...base, action: 'none', spec, observed: existing.keyVaultId, reason: 'it is there' }];
}

/** Clusters read init scripts when they start. */
function warnRestarts(steps: readonly Step[], observation: Observation, warnings: string[]): void {
  const scripts = steps.filter(({ kind, action }) => kind === 'initScript' && action === 'update');
  for (const { name, id, spec, action } of steps) {
    if (action !== 'none' || spec === null || !Array.isArray(spec.init_scripts)) continue;
    const text = JSON.stringify(spec.init_scripts);
    const runs = observation.clusters.some((cluster) => cluster.id === id && cluster.state === 'RUNNING');
    const used = scripts.find((script) => text.includes(JSON.stringify(script.name)));
    if (runs && used !== undefined) {
      warnings.push(
        `Cluster "${name}" runs with the init script ${used.asset} as it was; restart it to use the new one.`,
      );
    }
  }
}
