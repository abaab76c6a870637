/** What one login presents. */
export type SqlAuthentication = { kind: 'password'; user: string; password: string } | { kind: 'token'; token: string };

/** Asked once per login; must be cheap where nothing has expired. */
export type AuthenticationSource = () => Promise<SqlAuthentication>;

/** The part of an Azure credential that is used here (`@azure/identity` satisfies it). */
export interface TokenCredential {
  getToken(scope: string): Promise<{ token: string; expiresOnTimestamp: number } | null>;
}

export const azureSqlScope = 'https://database.windows.net/.default';

/** Refreshed this long before it expires, so that no login starts with a token that dies on the way. */
const refreshBeforeMs = 5 * 60_000;

/**
 * One token for all logins of this process, fetched once however many logins ask at the same time. Handing the driver a
 * credential would make it ask for a token per connection, and identity endpoints throttle that.
 */
export function createTokenSource(deps: {
  credential: TokenCredential;
  nowMs: () => number;
  scope?: string;
}): AuthenticationSource {
  const scope = deps.scope ?? azureSqlScope;
  let current: { token: string; expiresOnTimestamp: number } | null = null;
  let pending: Promise<{ token: string; expiresOnTimestamp: number }> | null = null;

  const fetchToken = async (): Promise<{ token: string; expiresOnTimestamp: number }> => {
    const token = await deps.credential.getToken(scope);
    if (token === null) throw new Error(`The credential has no token for ${scope}.`);
    return token;
  };
  return async () => {
    if (current === null || current.expiresOnTimestamp - deps.nowMs() <= refreshBeforeMs) {
      pending ??= fetchToken().finally(() => (pending = null));
      current = await pending;
    }
    return { kind: 'token', token: current.token };
  };
}
