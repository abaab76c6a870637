import { systemClock, type Clock } from '../../lib/platform/clock';
import { type FaultHooks } from '../network/faults';
import { jsonResponse, startHttpService } from '../network/http-service';
import { ServiceError, unsupported } from '../network/service-error';
import { entraResponse, type RegisteredApp } from './client-credentials';
import { loadIdentity } from './state';
import { createTokenIssuer, type VerifyToken } from './tokens';

export interface IdentityOptions {
  /** 0 picks a free port. */
  port: number;
  /** Where key and ids are kept; null makes new ones. */
  stateFolder: string | null;
  clock?: Clock;
  tokenLifetimeMs?: number;
  /** Given: the same port speaks inside TLS too, and service principals sign in there. */
  tls?: { key: string; cert: string };
  apps?: readonly RegisteredApp[];
}

export interface Identity {
  port: number;
  /** For `ClientSecretCredential`: the authority of `apps`. */
  authorityHost: string;
  /** Environment variables with which `DefaultAzureCredential` and `ManagedIdentityCredential` find this endpoint. */
  environment: { IDENTITY_ENDPOINT: string; IDENTITY_HEADER: string };
  tenantId: string;
  objectId: string;
  clientId: string;
  /** A token of the app's identity, for clients that bring their own. */
  issueToken(audience: string): string;
  verifyToken: VerifyToken;
  faults: FaultHooks;
  /** Tokens issued over HTTP since the start. */
  counters(): { tokens: number };
  stop(): Promise<void>;
}

const tokenPath = '/msi/token';
const apiVersion = '2019-08-01';
const dayMs = 24 * 60 * 60 * 1000;

/**
 * Starts the managed identity endpoint of App Service and Functions.
 * Protocol: https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 */
export async function startIdentity(options: IdentityOptions): Promise<Identity> {
  const { port, stateFolder, clock = systemClock, tokenLifetimeMs = dayMs, tls, apps = [] } = options;
  const { privateKey, header, ...principal } = loadIdentity(stateFolder);
  const issuer = createTokenIssuer(privateKey, clock);
  let tokens = 0;

  const service = await startHttpService({
    port,
    tls,
    clock,
    handle: (request) => {
      const entra = entraResponse(request, {
        apps,
        tenantId: principal.tenantId,
        lifetimeMs: tokenLifetimeMs,
        issue: (subject) => issuer.issue(subject, tokenLifetimeMs),
      });
      if (entra !== null) return entra;
      const { method, path, query, headers } = request;
      if (method !== 'GET' || path !== tokenPath) throw unsupported(`the identity call ${method} ${path}`);
      if (query.get('api-version') !== apiVersion) throw unsupported(`api-version ${query.get('api-version')} of it`);
      if (headers['x-identity-header'] !== header) {
        throw new ServiceError(401, 'Unauthorized', 'The X-IDENTITY-HEADER is not the one of this app.');
      }
      const clientId = query.get('client_id') ?? principal.clientId;
      if (clientId !== principal.clientId) {
        throw new ServiceError(400, 'BadRequest', `No user-assigned identity ${clientId} is assigned to this app.`);
      }
      const audience = query.get('resource');
      if (audience === null) throw new ServiceError(400, 'BadRequest', 'The resource is missing.');
      tokens += 1;
      return jsonResponse(200, {
        access_token: issuer.issue({ ...principal, audience }, tokenLifetimeMs),
        expires_on: String(Math.floor((clock.nowMs() + tokenLifetimeMs) / 1000)),
        resource: audience,
        token_type: 'Bearer',
        client_id: clientId,
      });
    },
    fail: ({ status, code, message, headers }) =>
      jsonResponse(status, { statusCode: status, message, error: code, error_description: message }, headers),
  });
  return {
    port: service.port,
    authorityHost: `https://localhost:${service.port}`,
    environment: {
      IDENTITY_ENDPOINT: `http://127.0.0.1:${service.port}${tokenPath}`,
      IDENTITY_HEADER: header,
    },
    ...principal,
    issueToken: (audience) => issuer.issue({ ...principal, audience }, tokenLifetimeMs),
    verifyToken: issuer.verify,
    faults: service.faults,
    counters: () => ({ tokens }),
    stop: () => service.close(),
  };
}
