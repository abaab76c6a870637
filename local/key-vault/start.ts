import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { systemClock, type Clock } from '../../lib/platform/clock';
import { type VerifyToken } from '../identity/tokens';
import { type FaultHooks } from '../network/faults';
import {
  jsonBody,
  jsonResponse,
  pathSegments,
  startHttpService,
  type ServiceRequest,
  type ServiceResponse,
} from '../network/http-service';
import { ServiceError, unsupported } from '../network/service-error';
import {
  openSecretStore,
  versionOf,
  versionPropertiesSchema,
  type Secret,
  type SecretStore,
  type SecretVersion,
} from './store';

export interface KeyVaultOptions {
  /** 0 picks a free port. */
  port: number;
  /** Where secrets are kept; null keeps them in memory only. */
  stateFolder: string | null;
  /** Required in practice: the SDK sends tokens only inside TLS. */
  tls?: { key: string; cert: string };
  clock?: Clock;
  /** Accepts or refuses Entra tokens. Default: refuses all. */
  verifyToken?: VerifyToken;
  /** Whether a principal, by its object id, may use the vault. Left out: everybody with a token. */
  allows?: (objectId: string) => boolean;
}

export interface KeyVault {
  /** For `SecretClient`, together with `disableChallengeResourceVerification: true`: the vault is not in azure.net. */
  url: string;
  port: number;
  /** For those who set up a cloud; clients use the SDK. */
  setSecret(name: string, value: string): void;
  faults: FaultHooks;
  /** Requests since the start, refused ones too. */
  counters(): { requests: number };
  stop(): Promise<void>;
}

const audience = 'https://vault.azure.net';
const challenge = `Bearer authorization="https://login.microsoftonline.com/common", resource="${audience}"`;
const recoverableDays = 90;
const daySeconds = 24 * 60 * 60;
const defaultPageSize = 25;
const newSecretSchema = versionPropertiesSchema.extend({ value: z.string() });

/** Starts a Key Vault that `@azure/keyvault-secrets` can work with: secrets only. */
export async function startKeyVault(options: KeyVaultOptions): Promise<KeyVault> {
  const { port, stateFolder, tls, clock = systemClock, verifyToken = () => null, allows = () => true } = options;
  const store = openSecretStore({
    journalFile: stateFolder === null ? null : join(stateFolder, 'secrets.jsonl'),
    nowSeconds: () => Math.floor(clock.nowMs() / 1000),
    newId: () => randomUUID().replaceAll('-', ''),
  });
  let requests = 0;

  const service = await startHttpService({
    port,
    tls,
    clock,
    handle: (request) => {
      requests += 1;
      const token = request.headers['authorization']?.replace(/^Bearer /, '') ?? '';
      const principal = request.secure ? verifyToken(token, audience) : null;
      if (principal === null) {
        throw new ServiceError(401, 'Unauthorized', 'A token for Key Vault is needed, over https.', {
          'www-authenticate': challenge,
        });
      }
      if (!allows(principal.objectId)) {
        const message = `The user, group or application '${principal.objectId}' does not have secrets permission on this key vault.`;
        throw new ServiceError(403, 'Forbidden', message);
      }
      return respond(store, request);
    },
    fail: ({ status, code, message, headers }) => jsonResponse(status, { error: { code, message } }, headers),
  });
  return {
    url: `https://localhost:${service.port}`,
    port: service.port,
    setSecret: (name, value) => void store.set(name, value, {}),
    faults: service.faults,
    counters: () => ({ requests }),
    async stop() {
      await service.close();
      store.close();
    },
  };
}

function respond(store: SecretStore, request: ServiceRequest): ServiceResponse {
  const [kind = '', name = '', action = ''] = pathSegments(request.path);
  const vault = request.origin;
  const call = `${request.method} ${kind}${name && '/*'}${action === 'versions' || action === 'recover' ? `/${action}` : action && '/*'}`;
  switch (call) {
    case 'PUT secrets/*': {
      const { value, ...properties } = parsed(newSecretSchema, request);
      return jsonResponse(200, bundle(vault, store.set(name, value, properties), ''));
    }
    case 'GET secrets/*':
    case 'GET secrets/*/*': {
      const secret = store.find(name, false);
      if (!versionOf(secret, action).attributes.enabled) {
        throw new ServiceError(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.');
      }
      return jsonResponse(200, bundle(vault, secret, action));
    }
    case 'PATCH secrets/*':
    case 'PATCH secrets/*/*':
      store.update(name, action, parsed(versionPropertiesSchema, request));
      return jsonResponse(200, withoutValue(bundle(vault, store.find(name, false), action)));
    case 'GET secrets':
      return page(
        request,
        store.list(false).map((secret) => listed(vault, secret, null)),
      );
    case 'GET secrets/*/versions': {
      const secret = store.find(name, false);
      return page(
        request,
        secret.versions.map((version) => listed(vault, secret, version)),
      );
    }
    case 'DELETE secrets/*':
      return jsonResponse(200, deleted(vault, store.delete(name)));
    case 'GET deletedsecrets':
      return page(
        request,
        store.list(true).map((secret) => deleted(vault, secret)),
      );
    case 'GET deletedsecrets/*':
      return jsonResponse(200, deleted(vault, store.find(name, true)));
    case 'POST deletedsecrets/*/recover':
      return jsonResponse(200, withoutValue(bundle(vault, store.recover(name), '')));
    case 'DELETE deletedsecrets/*':
      store.purge(name);
      return { status: 204 };
    default:
      throw unsupported(`the Key Vault call ${request.method} ${request.path}`);
  }
}

function bundle(vault: string, secret: Secret, versionId: string) {
  const { id, ...rest } = versionOf(secret, versionId);
  return { ...rest, id: `${vault}/secrets/${secret.name}/${id}`, attributes: attributesOf(rest) };
}

function withoutValue({ value: _, ...rest }: ReturnType<typeof bundle>) {
  return rest;
}

/** An entry of a list: of versions, or (version null) of secrets, whose ids name no version. */
function listed(vault: string, secret: Secret, version: SecretVersion | null) {
  const { value: _, id, ...rest } = version ?? versionOf(secret, '');
  const suffix = version === null ? '' : `/${id}`;
  return { ...rest, id: `${vault}/secrets/${secret.name}${suffix}`, attributes: attributesOf(rest) };
}

function deleted(vault: string, secret: Secret) {
  const deletedDate = secret.deletedAt ?? 0;
  return {
    ...withoutValue(bundle(vault, secret, '')),
    recoveryId: `${vault}/deletedsecrets/${secret.name}`,
    deletedDate,
    scheduledPurgeDate: deletedDate + recoverableDays * daySeconds,
  };
}

function attributesOf({ attributes }: Pick<SecretVersion, 'attributes'>) {
  return { ...attributes, recoveryLevel: 'Recoverable+Purgeable', recoverableDays };
}

/** `$skiptoken` counts entries: good enough for lists that only grow at their end. */
function page(request: ServiceRequest, entries: readonly unknown[]): ServiceResponse {
  const size = Number(request.query.get('maxresults') ?? defaultPageSize);
  const start = Number(request.query.get('$skiptoken') ?? 0);
  const more = `${request.origin}${request.path}?api-version=${request.query.get('api-version')}&maxresults=${size}&$skiptoken=${start + size}`;
  const nextLink = start + size < entries.length ? more : null;
  return jsonResponse(200, { value: entries.slice(start, start + size), nextLink });
}

function parsed<T>(schema: z.ZodType<T>, request: ServiceRequest): T {
  const result = schema.safeParse(jsonBody(request));
  if (result.success) return result.data;
  throw new ServiceError(400, 'BadParameter', z.prettifyError(result.error));
}
