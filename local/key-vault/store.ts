import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ServiceError } from '../network/service-error';
import { noJournal, openJournal } from '../storage/journal';

const attributesSchema = z.object({
  enabled: z.boolean().default(true),
  /** Unix seconds. */
  nbf: z.number().optional(),
  exp: z.number().optional(),
});
/** What a client may say about a version besides its value. */
export const versionPropertiesSchema = z.object({
  contentType: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  attributes: attributesSchema.partial().optional(),
});
export type VersionProperties = z.infer<typeof versionPropertiesSchema>;

const versionSchema = z.object({
  id: z.string(),
  value: z.string(),
  contentType: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  attributes: attributesSchema.extend({ created: z.number(), updated: z.number() }),
});
export type SecretVersion = z.infer<typeof versionSchema>;

const secretSchema = z.object({
  name: z.string(),
  /** Oldest first; the last one is the current one. */
  versions: z.array(versionSchema).min(1),
  /** Unix seconds; null for a secret in use. */
  deletedAt: z.number().nullable(),
});
export type Secret = z.infer<typeof secretSchema>;
const recordSchema = z.union([secretSchema, z.object({ purged: z.string() })]);

/** Secrets with their versions and soft delete. Every method refuses as the service does. */
export interface SecretStore {
  list(deleted: boolean): Secret[];
  /** @throws ServiceError 404 for a secret that is not there, or is deleted (`deleted` false) or in use (true). */
  find(name: string, deleted: boolean): Secret;
  set(name: string, value: string, properties: VersionProperties): Secret;
  update(name: string, versionId: string, properties: VersionProperties): SecretVersion;
  delete(name: string): Secret;
  recover(name: string): Secret;
  purge(name: string): void;
  close(): void;
}

export function openSecretStore(deps: {
  /** Null keeps nothing. */
  journalFile: string | null;
  nowSeconds: () => number;
  newId: () => string;
}): SecretStore {
  const secrets = new Map<string, Secret>();
  /** Names are one secret whatever their case. */
  const keyOf = (name: string): string => name.toLowerCase();
  // Secrets at rest: only this user may look into the folder.
  if (deps.journalFile !== null) mkdirSync(dirname(deps.journalFile), { recursive: true, mode: 0o700 });
  const journal =
    deps.journalFile === null
      ? noJournal()
      : openJournal(deps.journalFile, (line) => {
          const record = recordSchema.parse(line);
          if ('purged' in record) secrets.delete(keyOf(record.purged));
          else secrets.set(keyOf(record.name), record);
        });
  journal.compact(secrets.values());

  const save = (secret: Secret): Secret => {
    journal.append(secret);
    secrets.set(keyOf(secret.name), secret);
    return secret;
  };
  const find = (name: string, deleted: boolean): Secret => {
    const secret = secrets.get(keyOf(name));
    if (secret !== undefined && (secret.deletedAt !== null) === deleted) return secret;
    throw new ServiceError(404, 'SecretNotFound', `A ${deleted ? 'deleted ' : ''}secret named ${name} was not found.`);
  };

  return {
    list: (deleted) => [...secrets.values()].filter((secret) => (secret.deletedAt !== null) === deleted),
    find,
    set(name, value, { attributes, ...properties }) {
      if (!/^[0-9a-zA-Z-]{1,127}$/.test(name)) {
        throw new ServiceError(400, 'BadParameter', `${name} is not a valid name for a secret.`);
      }
      const current = secrets.get(keyOf(name));
      if (current?.deletedAt != null) {
        throw new ServiceError(
          409,
          'Conflict',
          `Secret ${name} is deleted but recoverable: recover or purge it first.`,
        );
      }
      const now = deps.nowSeconds();
      const stamped = { enabled: true, ...attributes, created: now, updated: now };
      const version: SecretVersion = { id: deps.newId(), value, ...properties, attributes: stamped };
      return save({ name: current?.name ?? name, versions: [...(current?.versions ?? []), version], deletedAt: null });
    },
    update(name, versionId, { attributes, ...properties }) {
      const secret = find(name, false);
      const before = versionOf(secret, versionId);
      const updated = { ...before.attributes, ...attributes, updated: deps.nowSeconds() };
      const after = { ...before, ...properties, attributes: updated };
      save({ ...secret, versions: secret.versions.map((each) => (each === before ? after : each)) });
      return after;
    },
    delete: (name) => save({ ...find(name, false), deletedAt: deps.nowSeconds() }),
    recover: (name) => save({ ...find(name, true), deletedAt: null }),
    purge(name) {
      const secret = find(name, true);
      journal.append({ purged: secret.name });
      secrets.delete(keyOf(name));
    },
    close: () => journal.close(),
  };
}

/** A version by its id; '' means the current one. */
export function versionOf(secret: Secret, versionId: string): SecretVersion {
  const version = versionId === '' ? secret.versions.at(-1) : secret.versions.find((each) => each.id === versionId);
  if (version !== undefined) return version;
  throw new ServiceError(404, 'SecretNotFound', `Secret ${secret.name} has no version ${versionId}.`);
}
