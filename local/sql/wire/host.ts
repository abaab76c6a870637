import { type Clock } from '../../../lib/platform/clock';
import { type SqlFaults } from '../faults';
import { type SqlEngine, type SqlMessage } from '../session';
import { type WireLimits } from './limits';
import { type Login } from './login';
import { type SecureContexts } from './tls';

export type Authentication = { ok: true; user: string } | { ok: false; message: SqlMessage };

/** What a connection needs from the logical server that it was made to. */
export interface ConnectionHost {
  server: string;
  engine: SqlEngine;
  contexts: SecureContexts;
  limits: WireLimits;
  faults: SqlFaults;
  clock: Clock;
  /** Decides who the client is. `token`: the access token that it sent instead of a password. */
  authenticate(login: Login, token: string | null): Promise<Authentication>;
  /** Told to clients that fetch their token after asking for what. */
  tokenAuthority: { stsUrl: string; spn: string };
  count(database: string, what: 'logins' | 'refusedLogins' | 'requests' | 'attentions'): void;
  /** The engine broke, or the wire did: never the client's fault. */
  onDefect(error: unknown): void;
}
