import { createHash, timingSafeEqual } from 'node:crypto';
import { type AuthLevel } from '../app/bindings';

/** Keys of the host. The real one also has keys per function; this one has the default host key only. */
export interface HostKeys {
  /** Opens everything, and alone `/admin` and functions of level `admin`. */
  master: string;
  /** Opens functions of level `function`. */
  function: string;
  /** Opens `/runtime/webhooks/`: Durable's management API and the Event Grid endpoint. */
  system: string;
}

const opens: Record<AuthLevel | 'system', readonly (keyof HostKeys)[]> = {
  anonymous: [],
  function: ['function', 'master'],
  system: ['system', 'master'],
  admin: ['master'],
};

/** Whether the request carries a key for `level`. A header wins over `?code=`, also when only the latter is right. */
export function isAuthorized(
  keys: HostKeys,
  level: AuthLevel | 'system',
  headers: Readonly<Record<string, string>>,
  query: URLSearchParams,
): boolean {
  if (level === 'anonymous') return true;
  const given = headers['x-functions-key'] ?? query.get('code') ?? '';
  return opens[level].some((name) => equal(given, keys[name]));
}

/** Compares digests, so that neither content nor length shows in the time it takes. */
function equal(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
