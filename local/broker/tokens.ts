import { createHmac, timingSafeEqual } from 'node:crypto';
import { BrokerError, conditions } from './core/errors';

export type Right = 'Send' | 'Listen' | 'Manage';

/** A shared access key, as on a namespace or on one entity. */
export interface AccessKey {
  name: string;
  value: string;
  /** Default: all. `Manage` includes the others. */
  rights?: readonly Right[];
  /** The entity whose rule it is: what it signs holds there and below, and nowhere else. Default: the namespace. */
  entity?: string;
}

/** What the bearer of a token may do, where and until when. */
export interface Grant {
  /** Lower-case path of the entity and everything below it; '' is the whole namespace. */
  path: string;
  rights: readonly Right[];
  untilMs: number;
}

export interface TokenChecker {
  /** @throws BrokerError (unauthorized) saying why the token is refused. */
  check(token: string): Promise<Grant>;
}

export interface TokenCheckerDeps {
  keys: readonly AccessKey[];
  /** Decides on tokens of an identity provider; absent: there is none, and such tokens are refused. */
  verifyToken?: (token: string) => Promise<boolean>;
  nowMs: () => number;
}

const everything: readonly Right[] = ['Send', 'Listen', 'Manage'];
const bearerLifetimeMs = 3_600_000;

/** Checks shared access signatures (HMAC-SHA256 over resource and expiry, as the service documents them) and bearer tokens. */
export function createTokenChecker({ keys, verifyToken, nowMs }: TokenCheckerDeps): TokenChecker {
  const checkSignature = (token: string): Grant => {
    const fields = new Map(
      token
        .slice('SharedAccessSignature '.length)
        .split('&')
        .map((field): [string, string] => {
          const separator = field.indexOf('=');
          return [field.slice(0, separator), field.slice(separator + 1)];
        }),
    );
    const [resource, signature, expiry, keyName] = ['sr', 'sig', 'se', 'skn'].map((name) => fields.get(name) ?? '');
    const key = keys.find(({ name }) => name === decodeURIComponent(keyName ?? ''));
    if (key === undefined) throw refused('the token names an unknown key');
    const expected = createHmac('sha256', key.value).update(`${resource}\n${expiry}`).digest();
    const given = Buffer.from(decodeURIComponent(signature ?? ''), 'base64');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw refused('the signature of the token does not match its key');
    }
    const untilMs = Number(expiry) * 1_000;
    if (!(untilMs > nowMs())) throw refused('the token has expired');
    const rights = key.rights ?? everything;
    const path = pathOf(decodeURIComponent(resource ?? ''));
    if (!isWithin(path, (key.entity ?? '').toLowerCase())) {
      throw refused(`the key is one of '${key.entity ?? ''}' and signs for nothing else`);
    }
    return {
      path,
      rights: rights.includes('Manage') ? everything : rights,
      untilMs,
    };
  };

  return {
    async check(token) {
      if (token.startsWith('SharedAccessSignature ')) return checkSignature(token);
      const bearer = token.startsWith('Bearer ') ? token.slice('Bearer '.length) : token;
      if (verifyToken === undefined || !(await verifyToken(bearer))) throw refused('the token was not accepted');
      return { path: '', rights: everything, untilMs: nowMs() + bearerLifetimeMs };
    },
  };
}

/** True when one of the grants allows this now. */
export function isAllowed(grants: readonly Grant[], path: string, right: Right, nowMs: number): boolean {
  const wanted = path.toLowerCase();
  return grants.some((grant) => grant.untilMs > nowMs && grant.rights.includes(right) && isWithin(wanted, grant.path));
}

/** Whether a path is `path` or below it; both in lower case. */
function isWithin(wanted: string, path: string): boolean {
  return path === '' || wanted === path || wanted.startsWith(`${path}/`);
}

/** True when the token is for what the client presents it for: its audience, or something above that. */
export function covers(grant: Grant, audience: string): boolean {
  return isWithin(pathOf(audience), grant.path);
}

/** `sb://host:port/Topic/?api-version=...` as `topic`. */
function pathOf(resource: string): string {
  return resource
    .replace(/^[a-z]+:\/\/[^/]*\/?/i, '')
    .replace(/\?.*$/, '')
    .replace(/\/+$/, '')
    .toLowerCase();
}

function refused(why: string): BrokerError {
  return new BrokerError(conditions.unauthorized, `Unauthorized access: ${why}.`);
}
