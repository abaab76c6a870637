import { pathSegments, jsonResponse, type ServiceRequest, type ServiceResponse } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { type Principal } from './tokens';

/** A service principal that signs in with a secret. */
export interface RegisteredApp {
  clientId: string;
  objectId: string;
  clientSecret: string;
}

/**
 * The part of Microsoft Entra that `ClientSecretCredential` needs: discovery, and tokens for client credentials.
 * Protocol: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 *
 * @returns null for a request that is none of these
 */
export function entraResponse(
  request: ServiceRequest,
  deps: {
    apps: readonly RegisteredApp[];
    tenantId: string;
    lifetimeMs: number;
    issue(principal: Omit<Principal, 'expiresAtMs'>): string;
  },
): ServiceResponse | null {
  const [tenantId = '', ...rest] = pathSegments(request.path);
  const base = `${request.origin}/${tenantId}`;
  switch (`${request.method} ${rest.join('/')}`) {
    case 'GET v2.0/.well-known/openid-configuration':
      return jsonResponse(200, {
        issuer: `${base}/v2.0`,
        token_endpoint: `${base}/oauth2/v2.0/token`,
        authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
        end_session_endpoint: `${base}/oauth2/v2.0/logout`,
        jwks_uri: `${base}/discovery/v2.0/keys`,
        response_types_supported: ['code', 'id_token', 'token'],
        subject_types_supported: ['pairwise'],
        id_token_signing_alg_values_supported: ['ES256'],
      });
    case 'POST oauth2/v2.0/token': {
      if (!request.secure) throw new ServiceError(400, 'invalid_request', 'Secrets are taken over https only.');
      const form = new URLSearchParams(request.body.toString('utf8'));
      const app = deps.apps.find(({ clientId }) => clientId === form.get('client_id'));
      if (form.get('grant_type') !== 'client_credentials') {
        throw new ServiceError(
          400,
          'unsupported_grant_type',
          'AADSTS70003: Only client_credentials is supported here.',
        );
      }
      if (tenantId !== deps.tenantId) {
        throw new ServiceError(400, 'invalid_request', `AADSTS90002: Tenant '${tenantId}' not found.`);
      }
      if (app === undefined) {
        throw new ServiceError(
          400,
          'unauthorized_client',
          `AADSTS700016: Application '${form.get('client_id')}' was not found.`,
        );
      }
      if (form.get('client_secret') !== app.clientSecret) {
        throw new ServiceError(401, 'invalid_client', 'AADSTS7000215: Invalid client secret provided.');
      }
      const audience = (form.get('scope') ?? '').split(' ')[0]?.replace(/\/\.default$/, '') ?? '';
      const { clientId, objectId } = app;
      return jsonResponse(200, {
        token_type: 'Bearer',
        expires_in: Math.floor(deps.lifetimeMs / 1_000),
        ext_expires_in: Math.floor(deps.lifetimeMs / 1_000),
        access_token: deps.issue({ clientId, objectId, tenantId, audience }),
      });
    }
    default:
      return null;
  }
}
