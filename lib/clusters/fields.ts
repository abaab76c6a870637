import { isDeepStrictEqual } from 'node:util';
import { type InputProblem } from '../platform/errors';
import { invalidCluster } from './errors';
import { isUsable, usableKeysAtMost } from './keys';
import { managedCluster } from './model';
import {
  type Cluster,
  type ClusterInput,
  type ClusterKey,
  type ClusterPatch,
  type SignOptions,
  type SignOptionsInput,
} from './schema';

/** From what a caller sends to what a cluster's document says, and what may be wrong about it. Pure. */

const defaults = {
  description: null,
  maintainer: null,
  scmContext: null,
  isActive: true,
  weightage: 100,
  group: 'default',
  startsOnDemand: false,
};

export function problem(code: string, message: string, entry: string): InputProblem {
  return { code, message, entry, line: null };
}

export function refuseProblems(problems: readonly InputProblem[]): void {
  if (problems.length > 0) throw invalidCluster(problems);
}

/** The one form and the list are the same field; organisations are told apart without case. */
function partsOf({ scmOrganization, scmOrganizations, signOptions, ...rest }: ClusterInput) {
  const named =
    scmOrganization === undefined && scmOrganizations === undefined
      ? undefined
      : [...(scmOrganizations ?? []), ...(scmOrganization === undefined ? [] : [scmOrganization])];
  const organizations = named && [...new Map(named.map((name) => [name.toLowerCase(), name])).values()];
  const { description, maintainer, scmContext, isActive, managedBy, weightage, group, startsOnDemand } = rest;
  const plain = { description, maintainer, scmContext, isActive, managedBy, weightage, group, startsOnDemand };
  return { ...definedOnly(plain), organizations, signOptions };
}

function definedOnly<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const result: { [K in keyof T]?: Exclude<T[K], undefined> } = {};
  for (const key in value) {
    const field = value[key];
    if (isDefined(field)) result[key] = field;
  }
  return result;
}

function isDefined<T>(value: T): value is Exclude<T, undefined> {
  return value !== undefined;
}

/** What POST and PUT say: everything that is left out has its default. */
export function fieldsOf(name: string, input: ClusterInput) {
  const { organizations, signOptions, ...plain } = partsOf(input);
  return {
    ...defaults,
    managedBy: 'external' as const,
    ...plain,
    scmOrganizations: organizations ?? [],
    signOptions: { ...defaultSignOptions(name), ...signOptionsOf(signOptions ?? {}) },
  };
}

function defaultSignOptions(name: string): SignOptions {
  return { issuer: name, subject: name, audience: 'sqlfleet', expiresSeconds: 300, algorithm: null };
}

function signOptionsOf({ expires, ...rest }: SignOptionsInput): Partial<SignOptions> {
  return definedOnly({ ...rest, expiresSeconds: expires });
}

/** What only the fields together can have wrong. */
export function fieldProblems(
  fields: Pick<Cluster, 'managedBy' | 'scmOrganizations' | 'signOptions'>,
  keys: readonly ClusterKey[],
): InputProblem[] {
  const problems: InputProblem[] = [];
  if (fields.managedBy === 'external' && fields.scmOrganizations.length === 0) {
    const message = 'an external cluster names the organisations that it works for';
    problems.push(problem('clusters.organizations', message, 'body.scmOrganizations'));
  }
  const { algorithm } = fields.signOptions;
  const others = keys.filter((key) => algorithm !== null && key.algorithm !== algorithm);
  if (others.length > 0) {
    const message = `${algorithm ?? ''} excludes a key of the cluster, which is for ${others[0]?.algorithm ?? ''}`;
    problems.push(problem('clusters.algorithm', message, 'body.signOptions.algorithm'));
  }
  if (keys.length > usableKeysAtMost) {
    problems.push(problem('clusters.key.tooMany', `at most ${usableKeysAtMost} keys at a time`, 'body.keys'));
  }
  return problems;
}

/** Name and queue are what others refer to: they stay. And the app's own cluster is the app's. */
export function refuseOtherIdentity(
  current: Cluster,
  { name, queue }: { name?: string | undefined; queue?: string | undefined },
  managedBy: Cluster['managedBy'],
): void {
  const problems = [
    ...(name !== undefined && name !== current.name
      ? [
          problem(
            'clusters.name',
            `the name is "${current.name}" and stays so; register another cluster instead`,
            'body.name',
          ),
        ]
      : []),
    ...(queue !== undefined && queue !== current.queue
      ? [problem('clusters.queue', `the queue is "${current.queue}" and stays so`, 'body.queue')]
      : []),
    ...(current.id === managedCluster && managedBy !== 'sqlfleet'
      ? [problem('clusters.managedBy', 'the app works off this cluster itself: say "sqlfleet"', 'body.managedBy')]
      : []),
  ];
  refuseProblems(problems);
}

/** What PATCH says: everything that is left out stays, and what is null has its default again. */
export function patched(current: Cluster, input: ClusterPatch): Cluster {
  const { signOptions, ...fields } = input;
  const { weightage, group, startsOnDemand, scmOrganizations, scmContext } = fields;
  const {
    organizations,
    signOptions: _none,
    ...plain
  } = partsOf({
    ...fields,
    weightage: orDefault(weightage, defaults.weightage),
    group: orDefault(group, defaults.group),
    startsOnDemand: orDefault(startsOnDemand, defaults.startsOnDemand),
    scmContext: orDefault(scmContext, defaults.scmContext),
    scmOrganizations: orDefault(scmOrganizations, []),
  });
  return {
    ...current,
    ...plain,
    scmOrganizations: organizations ?? current.scmOrganizations,
    signOptions: patchedSignOptions(current, signOptions),
  };
}

function orDefault<T>(value: T | null | undefined, fallback: T): T | undefined {
  return value === null ? fallback : value;
}

function patchedSignOptions({ name, signOptions }: Cluster, input: ClusterPatch['signOptions']): SignOptions {
  const byDefault = defaultSignOptions(name);
  if (input === undefined) return signOptions;
  if (input === null) return byDefault;
  const { issuer, subject, audience, expires, algorithm } = input;
  return {
    ...signOptions,
    ...definedOnly({
      issuer: orDefault(issuer, byDefault.issuer),
      subject: orDefault(subject, byDefault.subject),
      audience: orDefault(audience, byDefault.audience),
      expiresSeconds: orDefault(expires, byDefault.expiresSeconds),
      algorithm: algorithm ?? (algorithm === null ? null : undefined),
    }),
  };
}

/** Null when it says the same: an unchanged document keeps its version, and the log tells of changes only. */
export function changed(current: Cluster, next: Cluster): Cluster | null {
  return isDeepStrictEqual(current, next) ? null : next;
}

export function usableKeys(cluster: Cluster): ClusterKey[] {
  return cluster.keys.filter(isUsable);
}
