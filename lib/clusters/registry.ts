import { type Versioned } from '../platform/documents';
import { type Clock } from '../platform/clock';
import { AppError } from '../platform/errors';
import { type By, type ClusterChanges, type IfMatch } from './changes';
import { type ClusterLife } from './drain';
import { clusterExists, clusterNotFound, invalidCluster, tooManyWriters } from './errors';
import { changed, fieldProblems, fieldsOf, patched, refuseOtherIdentity, refuseProblems, usableKeys } from './fields';
import { readKeys, uploadsOf, withKey, withKeys, withoutKey } from './key-ring';
import { clusterIdOf, managedCluster } from './model';
import { type Cluster, type ClusterInput, type ClusterKey, type ClusterPatch, partitions } from './schema';
import { type ClusterStore } from './store';

/** What admins do to the registry. Every call says who, and is in the audit log; conditions are those of HTTP. */
export interface Registry {
  /** @throws AppError `clusters.notFound` (404) */
  read(name: string): Promise<Versioned<Cluster>>;
  /** Of a name that nobody has: 409 otherwise, whoever of several callers is first. */
  register(name: string, input: ClusterInput, by: By): Promise<Versioned<Cluster>>;
  /** Makes the cluster as described, whether it is there or not. */
  put(
    name: string,
    input: ClusterInput,
    by: By,
    conditions: { ifMatch: IfMatch; mustBeNew: boolean },
  ): Promise<{ created: boolean; cluster: Versioned<Cluster> }>;
  patch(name: string, input: ClusterPatch, by: By, ifMatch: IfMatch): Promise<Versioned<Cluster>>;
  addKey(name: string, jwk: Record<string, unknown>, by: By, ifMatch: IfMatch): Promise<ClusterKey>;
  /** From now on no token of this key is believed. A revoked key is revoked already. */
  revokeKey(name: string, keyId: string, by: By, ifMatch: IfMatch): Promise<void>;
  /** The app's own cluster is registered by the app. */
  ensureManaged(): Promise<void>;
}

export interface RegistryDeps {
  store: ClusterStore;
  changes: ClusterChanges;
  life: ClusterLife;
  clock: Clock;
  newId: () => string;
}

const registrationsTried = 20;
const queueNamesTried = 100;
const longestQueueName = 50;

export function createRegistry({ store, changes, life, clock, newId }: RegistryDeps): Registry {
  const now = (): string => new Date(clock.nowMs()).toISOString();
  const uploadedKeys = (uploads: ReturnType<typeof uploadsOf>, by: By) => readKeys(uploads, by, { at: now(), newId });

  /** The queue's name is reserved first: the document that names it must never name another's. */
  const reserve = async (id: string, name: string, asked: string | undefined, generation: number): Promise<string> => {
    if (asked !== undefined) {
      if (await store.reserveQueue(asked, id, generation)) return asked;
      const message = `The queue "${asked}" is or was a cluster's, and no queue is used again. Leave "queue" out, or choose another.`;
      throw new AppError('clusters.queueTaken', message, { status: 409 });
    }
    for (let number = 1; number <= queueNamesTried; number += 1) {
      const suffix = number === 1 ? '' : `.${number}`;
      const queue = `${name.slice(0, longestQueueName - suffix.length).replace(/[._-]+$/, '')}${suffix}`;
      if (await store.reserveQueue(queue, id, generation)) return queue;
    }
    const message = `No queue name is left for "${name}". Give one as "queue".`;
    throw new AppError('clusters.queueTaken', message, { status: 409 });
  };

  const ensureManaged = async (): Promise<void> => {
    if ((await store.find(managedCluster)) !== null) return;
    const input = { managedBy: 'sqlfleet' as const, description: 'The app itself.', queue: managedCluster };
    const by = { actor: 'sqlfleet', reason: 'the app works off this queue' };
    await registerAs(managedCluster, input, by).catch((error: unknown) => {
      // Several instances begin at once.
      if (!(error instanceof AppError && error.code === 'clusters.exists')) throw error;
    });
  };

  /** The app comes first: nobody else may have its name or its queue, however early they ask. */
  const register = async (name: string, input: ClusterInput, by: By): Promise<Versioned<Cluster>> => {
    await ensureManaged();
    return registerAs(name, input, by);
  };

  const registerAs = async (name: string, input: ClusterInput, by: By): Promise<Versioned<Cluster>> => {
    const id = clusterIdOf(name);
    const { keys, problems } = await uploadedKeys(uploadsOf(input), by);
    const fields = fieldsOf(name, input);
    problems.push(...fieldProblems(fields, keys));
    if (problems.length > 0) throw invalidCluster(problems);
    for (let attempt = 1; attempt <= registrationsTried; attempt += 1) {
      const earlier = await store.find(id);
      if (earlier !== null && earlier.value.lifecycle !== 'gone') throw clusterExists(name);
      const generation = (earlier?.value.generation ?? 0) + 1;
      const queue = await reserve(id, name, input.queue, generation);
      const fresh = {
        id,
        partition: partitions.clusters,
        name,
        generation,
        revision: 0,
        lifecycle: 'registering' as const,
        ...fields,
        queue,
        keys,
        successor: null,
        createdAt: now(),
        createdBy: by.actor,
        changedAt: now(),
        changedBy: by.actor,
      };
      if (earlier === null) {
        const created = await changes.create(fresh, by, 'register');
        if (created === 'exists') throw clusterExists(name);
        return life.complete(created);
      }
      // The document of an earlier registration is written over: nothing of it stays but its numbers.
      const { lastChange, revision } = earlier.value;
      let mine = false;
      const written = await changes.change(
        id,
        by,
        'register',
        (current) => {
          mine = current.lifecycle === 'gone' && current.generation === generation - 1;
          return mine ? { ...fresh, revision, lastChange } : null;
        },
        { alsoGone: true },
      );
      if (mine) return life.complete(written);
    }
    throw tooManyWriters(`The build cluster "${name}"`);
  };

  const registry: Registry = {
    async read(name) {
      const found = await store.find(name);
      if (found === null || found.value.lifecycle === 'gone') throw clusterNotFound(name);
      return found;
    },

    register,

    async put(name, input, by, { ifMatch, mustBeNew }) {
      const existing = await store.find(name);
      if (existing === null || existing.value.lifecycle === 'gone') {
        if (ifMatch !== null) throw clusterNotFound(name);
        return { created: true, cluster: await register(name, input, by) };
      }
      if (mustBeNew) {
        throw new AppError('clusters.exists', `There is a build cluster "${name}" already.`, { status: 412 });
      }
      const uploads = uploadsOf(input);
      const { keys, problems } = await uploadedKeys(uploads, by);
      const fields = fieldsOf(existing.value.name, input);
      problems.push(...fieldProblems(fields, keys));
      if (problems.length > 0) throw invalidCluster(problems);
      const cluster = await changes.change(
        name,
        by,
        'put',
        (current) => {
          refuseOtherIdentity(current, input, fields.managedBy);
          const next = { ...current, ...fields };
          if (uploads.length > 0) return changed(current, withKeys(next, keys, { at: now(), ...by }));
          refuseProblems(fieldProblems(fields, usableKeys(current)));
          return changed(current, next);
        },
        { ifMatch },
      );
      return { created: false, cluster };
    },

    patch: (name, input, by, ifMatch) =>
      changes.change(
        name,
        by,
        'patch',
        (current) => {
          const next = patched(current, input);
          refuseOtherIdentity(current, input, next.managedBy);
          refuseProblems(fieldProblems(next, usableKeys(current)));
          return changed(current, next);
        },
        { ifMatch },
      ),

    async addKey(name, jwk, by, ifMatch) {
      await registry.read(name);
      const { keys, problems } = await uploadedKeys([['body', jwk]], by);
      const [key] = keys;
      if (key === undefined || problems.length > 0) throw invalidCluster(problems);
      await changes.change(name, by, 'addKey', (current) => withKey(current, key), { ifMatch });
      return key;
    },

    async revokeKey(name, keyId, by, ifMatch) {
      const revoked = { at: now(), ...by };
      await changes.change(name, by, 'revokeKey', (current) => withoutKey(current, keyId, revoked), { ifMatch });
    },

    ensureManaged,
  };
  return registry;
}
