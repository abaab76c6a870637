import { type Observation } from './observe';
import { type ReliedKind } from './schema';

/** What a workspace has under a name, or as an id. */
export type Found = { kind: 'one'; id: string } | { kind: 'none' } | { kind: 'several'; ids: string[] };

/** Finds what settings refer to: by its name, and only where nothing has that name by its id. */
export function lookUp(observation: Observation, kind: ReliedKind, reference: string): Found {
  const all = candidates(observation, kind);
  const ids = all.filter(({ name }) => name === reference).map(({ id }) => id);
  if (ids.length > 1) return { kind: 'several', ids };
  const id = ids[0] ?? all.find((each) => each.id === reference)?.id;
  return id === undefined ? { kind: 'none' } : { kind: 'one', id };
}

function candidates(observation: Observation, kind: ReliedKind): readonly { id: string; name: string }[] {
  switch (kind) {
    case 'cluster':
      return observation.clusters;
    case 'job':
      return observation.jobs;
    case 'pool':
      return observation.pools;
    case 'policy':
      return observation.policies;
  }
}
