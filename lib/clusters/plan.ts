import { type ClusterChoice, type ClusterRequest, type clusterPaths } from '../platform/cluster-choice';
import { clusterIdOf } from './model';
import { type Cluster } from './schema';
import { serves, type StatusAt } from './status';

/** Which cluster a build goes to. Pure: what is known comes in, chance comes in, and the answer says why. */

export interface Candidate {
  cluster: Cluster;
  at: StatusAt;
  /** Messages of its queue that nobody finished yet; null: unknown. */
  backlog: number | null;
}

export interface Selection {
  choice: ClusterChoice;
  /** Why nothing is even waited for: the named cluster does not exist for whoever asks. */
  refused: string | null;
}

type Path = (typeof clusterPaths)[number];
type Considered = ClusterChoice['candidates'][number] & { queue: string };

const defaultGroup = 'default';

/**
 * The named cluster, or the one that took its place; else those that list the organisation; else the service's own. The
 * first of these with a cluster of use gives it, by weight and chance. Nothing is considered on any path that does not
 * serve who asks: a cluster that is not named cannot be found out by naming it.
 *
 * @param known every registered cluster, and deleted ones that have a successor
 * @param random in [0, 1): the only chance in it
 */
export function selectCluster(
  request: ClusterRequest,
  known: readonly Candidate[],
  random: number,
  at: string,
): Selection {
  const name = request.override ?? request.wanted;
  const open = known.filter(({ cluster }) => serves(cluster, request));
  const named = name === null ? null : follow(name, open);
  const group = request.group ?? named?.found.cluster.group ?? defaultGroup;
  const present = open.filter(({ cluster }) => cluster.lifecycle !== 'gone');
  const answer = (part: Partial<ClusterChoice> & { reason: string }): ClusterChoice => ({
    at,
    cluster: null,
    queue: null,
    path: null,
    asked: {
      wanted: request.wanted,
      override: request.override,
      only: request.only,
      organization: request.organization,
      scmContext: request.scmContext,
      group,
    },
    candidates: [],
    notShown: known.filter(({ cluster }) => cluster.lifecycle !== 'gone').length - present.length,
    draw: null,
    ...part,
  });
  if (name !== null && named === null) {
    const reason = `there is no cluster "${name}" for ${requesterText(request)}`;
    return { choice: answer({ reason }), refused: reason };
  }

  const candidates: Considered[] = [];
  for (const [path, members] of paths(request, named, present)) {
    const considered = members.map((member) => consider(member, path, request, group));
    candidates.push(...considered);
    const drawn = draw(considered, random);
    if (drawn === null) continue;
    const { chosen, totalWeight } = drawn;
    const reason = reasonFor(chosen, name, considered.filter(({ weight }) => weight > 0).length, request);
    const found = { cluster: chosen.cluster, queue: chosen.queue, path, draw: { random, totalWeight } };
    return { choice: answer({ ...found, candidates: candidates.map(shown), reason }), refused: null };
  }
  const why = candidates.map(({ cluster, excluded }) => `${cluster}: ${excluded ?? ''}`);
  const reason =
    why.length === 0
      ? `no cluster serves ${requesterText(request)} in the group "${group}"`
      : `no cluster is of use now (${[...new Set(why)].join('; ')})`;
  return { choice: answer({ candidates: candidates.map(shown), reason }), refused: null };
}

/** The paths in their order, each with the clusters to look at there. */
function paths(
  request: ClusterRequest,
  named: { found: Candidate; moved: boolean } | null,
  present: readonly Candidate[],
): [Path, readonly Candidate[]][] {
  const namedPath: Path = named?.moved === true ? 'successor' : request.override === null ? 'wanted' : 'override';
  const first: [Path, readonly Candidate[]][] = named === null ? [] : [[namedPath, [named.found]]];
  if (request.only && named !== null) return first;
  const organization = request.organization?.toLowerCase();
  const lists = ({ cluster }: Candidate): boolean =>
    organization !== undefined && cluster.scmOrganizations.some((own) => own.toLowerCase() === organization);
  const rest = present.filter((candidate) => candidate !== named?.found);
  return [
    ...first,
    ['organization', rest.filter(lists)],
    ['managed', rest.filter((candidate) => candidate.cluster.managedBy === 'sqlfleet' && !lists(candidate))],
  ];
}

/** The named cluster or, where it was deleted in favour of another, that one, as often as that happened. */
function follow(name: string, open: readonly Candidate[]): { found: Candidate; moved: boolean } | null {
  const seen = new Set<string>();
  let id = clusterIdOf(name);
  for (;;) {
    const found = open.find(({ cluster }) => cluster.id === id);
    if (found === undefined || seen.has(id)) return null;
    seen.add(id);
    const { lifecycle, successor } = found.cluster;
    const isLeaving = lifecycle === 'draining' || lifecycle === 'gone';
    if (!isLeaving || successor === null) return lifecycle === 'gone' ? null : { found, moved: seen.size > 1 };
    id = successor;
  }
}

function consider({ cluster, at, backlog }: Candidate, path: Path, request: ClusterRequest, group: string): Considered {
  const isNamed = path === 'wanted' || path === 'override' || path === 'successor';
  const excluded = exclusion();
  const weightage = isNamed && cluster.weightage === 0 ? 1 : cluster.weightage;
  return {
    cluster: cluster.id,
    queue: cluster.queue,
    path,
    status: at.status,
    weightage: cluster.weightage,
    weight: excluded === null ? weightage * freeShare(at, backlog) : 0,
    excluded,
  };

  function exclusion(): string | null {
    if (at.status !== 'active') return `${at.status}: ${at.reason}`;
    if (request.exclude.includes(cluster.id)) return 'it was tried already';
    if (at.slots === 0) return 'its workers have no slots';
    if (cluster.group !== group && (!isNamed || request.group !== null)) return `its group is "${cluster.group}"`;
    return cluster.weightage === 0 && !isNamed ? 'its weightage is 0: only builds that name it get it' : null;
  }
}

/**
 * What is left of the weight: all of it up to a full load, then as many times less as the load is greater. Never nothing,
 * so that a busy cluster that is the only one is still found.
 */
function freeShare({ slots, busy }: StatusAt, backlog: number | null): number {
  if (slots === null || slots === 0) return 1;
  const load = Math.max(busy ?? 0, backlog ?? 0) / slots;
  return 1 / Math.max(1, load);
}

function draw(considered: readonly Considered[], random: number): { chosen: Considered; totalWeight: number } | null {
  const drawable = considered.filter(({ weight }) => weight > 0);
  const totalWeight = drawable.reduce((sum, { weight }) => sum + weight, 0);
  let passed = 0;
  for (const candidate of drawable) {
    passed += candidate.weight;
    if (random * totalWeight < passed) return { chosen: candidate, totalWeight };
  }
  // Sums of fractions may fall short of their total by a hair.
  const last = drawable.at(-1);
  return last === undefined ? null : { chosen: last, totalWeight };
}

function reasonFor(chosen: Considered, name: string | null, drawnFrom: number, request: ClusterRequest): string {
  const among = drawnFrom === 1 ? 'the only one of use' : `drawn by weight from ${drawnFrom}`;
  const instead = name === null ? '' : `, because "${name}" is of no use now`;
  switch (chosen.path) {
    case 'override':
      return `an admin assigned "${chosen.cluster}"`;
    case 'wanted':
      return `the build names "${chosen.cluster}"`;
    case 'successor':
      return `"${chosen.cluster}" took over from "${name ?? ''}"`;
    case 'organization':
      return `it serves the organisation "${request.organization ?? ''}" (${among})${instead}`;
    case 'managed':
      return `it is managed by the service (${among})${instead}`;
  }
}

function requesterText({ organization, scmContext }: ClusterRequest): string {
  const who = organization === null ? 'work without an organisation' : `the organisation "${organization}"`;
  return scmContext === null ? who : `${who} in ${scmContext}`;
}

function shown({ queue: _queue, ...rest }: Considered): ClusterChoice['candidates'][number] {
  return rest;
}
