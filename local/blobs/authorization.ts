import { createHmac, timingSafeEqual } from 'node:crypto';
import { type VerifyToken } from '../identity/tokens';
import { type ServiceRequest } from '../network/http-service';
import { ServiceError, unsupported } from '../network/service-error';

export interface BlobAccount {
  name: string;
  /** Base64. */
  key: string;
}

/** What a shared access signature has to allow for a request. */
export type BlobPermission = 'read' | 'write' | 'delete' | 'list';

const permissionLetters: Readonly<Record<BlobPermission, string>> = { read: 'r', write: 'wca', delete: 'd', list: 'l' };
const audience = 'https://storage.azure.com';

/**
 * Accepts the account key, a service SAS made with it, or (inside TLS) an Entra token.
 *
 * Protocols: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key and .../create-service-sas
 * @throws ServiceError 401 or 403 as the service answers.
 */
export function authorize(
  request: ServiceRequest,
  subject: { container: string; blob: string; permission: BlobPermission },
  deps: { account: BlobAccount; verifyToken: VerifyToken; nowMs: number },
): void {
  const header = request.headers['authorization'] ?? '';
  const sign = (text: string): Buffer =>
    createHmac('sha256', Buffer.from(deps.account.key, 'base64')).update(text, 'utf8').digest();
  const matches = (given: string, text: string): boolean => {
    const [actual, expected] = [Buffer.from(given, 'base64'), sign(text)];
    return actual.length === expected.length && timingSafeEqual(actual, expected);
  };

  if (header.startsWith('SharedKey ')) {
    const [account, signature = ''] = header.slice('SharedKey '.length).split(':');
    if (account === deps.account.name && matches(signature, sharedKeyText(request, deps.account.name))) return;
    throw refused('The signature of the request does not match.');
  }
  if (header.startsWith('Bearer ')) {
    if (request.secure && deps.verifyToken(header.slice('Bearer '.length), audience) !== null) return;
    throw new ServiceError(401, 'InvalidAuthenticationInfo', 'The token is not valid, or was sent without https.', {
      'www-authenticate': `Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize resource_id=${audience}`,
    });
  }
  const { query } = request;
  if (!query.has('sig')) {
    throw new ServiceError(401, 'NoAuthenticationInformation', 'The request carries no authorization.');
  }
  if (query.has('ss') || query.has('si') || query.has('skoid')) {
    throw unsupported('account SAS, stored access policies and user delegation SAS: use a service SAS');
  }
  if (!matches(query.get('sig') ?? '', sasText(query, deps.account.name, subject))) {
    throw refused('The shared access signature does not match.');
  }
  const [starts, expires] = [query.get('st'), query.get('se') ?? ''];
  if (!(Date.parse(expires) > deps.nowMs) || (starts !== null && Date.parse(starts) > deps.nowMs)) {
    throw refused(`The shared access signature is valid from ${starts ?? 'its creation'} to ${expires}.`);
  }
  const granted = query.get('sp') ?? '';
  if (![...permissionLetters[subject.permission]].some((letter) => granted.includes(letter))) {
    throw new ServiceError(
      403,
      'AuthorizationPermissionMismatch',
      `The shared access signature grants ${granted} only.`,
    );
  }
}

const signedHeaders = [
  'content-language',
  'content-encoding',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
];

function sharedKeyText(request: ServiceRequest, account: string): string {
  const { headers, query } = request;
  const values = signedHeaders.map((name) =>
    name === 'content-length' && headers[name] === '0' ? '' : (headers[name] ?? ''),
  );
  const storageHeaders = Object.keys(headers)
    .filter((name) => name.startsWith('x-ms-'))
    .sort()
    .map((name) => `${name}:${headers[name] ?? ''}\n`);
  const parameters = [...new Set(query.keys())]
    .sort()
    .map((name) => `\n${name.toLowerCase()}:${query.getAll(name).join(',')}`);
  return (
    [request.method, ...values].join('\n') +
    `\n${storageHeaders.join('')}/${account}${request.path}${parameters.join('')}`
  );
}

/** The form that holds since version 2020-12-06. */
function sasText(query: URLSearchParams, account: string, subject: { container: string; blob: string }): string {
  const version = query.get('sv') ?? '';
  const resource = query.get('sr') ?? '';
  if (version < '2020-12-06') throw unsupported(`shared access signatures of version ${version}`);
  if (resource !== 'b' && resource !== 'c') throw unsupported(`shared access signatures for resource '${resource}'`);
  const name = `/blob/${account}/${subject.container}${resource === 'b' ? `/${subject.blob}` : ''}`;
  const value = (parameter: string): string => query.get(parameter) ?? '';
  return [
    value('sp'),
    value('st'),
    value('se'),
    name,
    '',
    value('sip'),
    value('spr'),
    version,
    resource,
    '',
    value('ses'),
    value('rscc'),
    value('rscd'),
    value('rsce'),
    value('rscl'),
    value('rsct'),
  ].join('\n');
}

function refused(message: string): ServiceError {
  return new ServiceError(403, 'AuthenticationFailed', message);
}
