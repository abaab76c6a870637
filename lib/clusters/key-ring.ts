import { AppError, type InputProblem } from '../platform/errors';
import { type By } from './changes';
import { changed, fieldProblems, problem, refuseProblems, usableKeys } from './fields';
import { isUsable, readPublicKey, usableKeysAtMost } from './keys';
import { type Cluster, type ClusterInput, type ClusterKey } from './schema';

/** The keys of a cluster: which may join, which replace which. Two may overlap; what was revoked never comes back. */

const revokedRemembered = 50;

/** The keys in a request, each with its place there. */
export function uploadsOf({ key, keys }: ClusterInput): [string, Record<string, unknown>][] {
  const several = (keys ?? []).map((jwk, index): [string, Record<string, unknown>] => [`body.keys.${index}`, jwk]);
  return key === undefined ? several : [['body.key', key], ...several];
}

/** Every key is read, so that all of their problems are told at once. */
export async function readKeys(
  uploads: readonly [place: string, jwk: Record<string, unknown>][],
  by: By,
  deps: { at: string; newId: () => string },
): Promise<{ keys: ClusterKey[]; problems: InputProblem[] }> {
  const problems: InputProblem[] = [];
  const keys: ClusterKey[] = [];
  for (const [place, upload] of uploads) {
    const reading = await readPublicKey(upload);
    if (!reading.valid) {
      problems.push(problem(reading.code, reading.message, place));
      continue;
    }
    const { jwk, algorithm, thumbprint } = reading;
    if (keys.some((key) => key.thumbprint === thumbprint)) {
      problems.push(problem('clusters.key.repeated', 'the same key comes twice', place));
    }
    keys.push({ id: deps.newId(), algorithm, jwk, thumbprint, addedAt: deps.at, addedBy: by.actor, revoked: null });
  }
  return { keys, problems };
}

/** @throws AppError `clusters.key.…` (409, 422) */
export function withKey(current: Cluster, key: ClusterKey): Cluster {
  const known = current.keys.find(({ thumbprint }) => thumbprint === key.thumbprint);
  const refused = (code: string, message: string, status: number): AppError =>
    new AppError(`clusters.key.${code}`, message, { status, details: { keyId: known?.id ?? null } });
  if (known !== undefined && !isUsable(known)) {
    throw refused('revoked', 'This key was revoked, and stays so. Make a new key pair.', 422);
  }
  if (known !== undefined) throw refused('exists', `The cluster has this key already, as "${known.id}".`, 409);
  if (usableKeys(current).length >= usableKeysAtMost) {
    const message = `The cluster has ${usableKeysAtMost} keys. Revoke the one that is not used any more, then add the next.`;
    throw refused('tooMany', message, 409);
  }
  refuseProblems(fieldProblems(current, [key]));
  return { ...current, keys: remembered([...current.keys, key]) };
}

/** The keys that are given are the keys: what is not among them is revoked, what is there already keeps its id. */
export function withKeys(current: Cluster, given: readonly ClusterKey[], revoked: By & { at: string }): Cluster {
  const wanted = new Set(given.map(({ thumbprint }) => thumbprint));
  const kept = current.keys.map((key) => (wanted.has(key.thumbprint) || !isUsable(key) ? key : { ...key, revoked }));
  const there = new Set(usableKeys(current).map(({ thumbprint }) => thumbprint));
  return given.filter(({ thumbprint }) => !there.has(thumbprint)).reduce(withKey, { ...current, keys: kept });
}

/** Null when it is revoked already. @throws AppError `clusters.key.notFound` (404) */
export function withoutKey(current: Cluster, keyId: string, revoked: By & { at: string }): Cluster | null {
  if (!current.keys.some(({ id }) => id === keyId)) {
    throw new AppError('clusters.key.notFound', 'The cluster has no such key.', { status: 404 });
  }
  const keys = current.keys.map((key) => (key.id === keyId && isUsable(key) ? { ...key, revoked } : key));
  return changed(current, { ...current, keys });
}

/** Usable keys are never forgotten; of the revoked ones the latest, so that they are not taken again. */
function remembered(keys: ClusterKey[]): ClusterKey[] {
  const revoked = keys.filter((key) => !isUsable(key)).slice(-revokedRemembered);
  return keys.filter((key) => isUsable(key) || revoked.includes(key));
}
