import { type Clock } from '../../../lib/platform/clock';
import { type SqlFaults } from '../faults';
import { type SqlEngine, type SqlMessage } from '../session';
import { type WireLimits } from './limits';
import { type Login } from './login';
import { type SecureContexts } from './tls';

export type Authentication = { ok: true; user: string } | { ok: false; message: SqlMessage };

/** All that tells which server a client wants, in the order in which it counts. */
export interface RouteRequest {
  /** The host name of the TLS handshake. */
  tlsName: string | null;
  /** The server of the login message. */
  loginServer: string;
  user: string;
}

/** What a connection needs from the logical server that it was made to. */
export interface ConnectionHost {
  server: string;
  /**
   * Of a gateway, which serves many logical servers: the one that a client wants. Null: there is none of that name.
   * Left out: there is only one.
   */
  route?(asked: RouteRequest): ConnectionHost | null;
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
