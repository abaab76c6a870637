import { systemClock, type Clock } from '../../lib/platform/clock';
import { type FaultHooks } from '../network/faults';
import { jsonResponse, startHttpService } from '../network/http-service';
import { ServiceError, unsupported } from '../network/service-error';
import { loadIdentity } from './state';
import { createTokenIssuer, type VerifyToken } from './tokens';

export interface IdentityOptions {
  /** 0 picks a free port. */
  port: number;
  /** Where key and ids are kept; null makes new ones. */
  stateFolder: string | null;
  clock?: Clock;
  tokenLifetimeMs?: number;
}

export interface Identity {
  port: number;
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
  const { port, stateFolder, clock = systemClock, tokenLifetimeMs = dayMs } = options;
  const { privateKey, header, ...principal } = loadIdentity(stateFolder);
  const issuer = createTokenIssuer(privateKey, clock);
  let tokens = 0;

  const service = await startHttpService({
    port,
    clock,
    handle: ({ method, path, query, headers }) => {
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
    fail: ({ status, message, headers }) => jsonResponse(status, { statusCode: status, message }, headers),
  });
  return {
    port: service.port,
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
