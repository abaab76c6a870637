import { connect as connectSocket, type Socket } from 'node:net';
import { Connection, type ConnectionConfiguration } from 'tedious';
import { messageOf } from '../platform/errors';
import { type AuthenticationSource, type SqlAuthentication } from './authentication';
import { createBatchRunner } from './batch';
import { type ResolveEndpoint } from './endpoints';
import { clientError, serverError, type ServerError, transportError } from './errors';
import { type Connect, type ConnectRequest, type SqlConnection, type SqlError } from './model';
import { type TransactionWatch, watchTransactions } from './transaction-watch';

export interface ConnectorOptions {
  authentication: AuthenticationSource;
  resolveEndpoint: ResolveEndpoint;
  /** false only for servers that cannot do TLS. */
  encrypt: boolean;
  /** PEM of the only authority to trust. Left out: those that Node.js trusts, `NODE_EXTRA_CA_CERTS` included. */
  certificateAuthority?: string;
  /** Shown in the server's session list. */
  applicationName: string;
  /** For the whole login, redirection included. */
  loginTimeoutMs: number;
  /** How long the server may take to acknowledge an attention before the connection is destroyed. */
  cancelTimeoutMs: number;
}

/**
 * Sessions on the bare driver: one login each. A pool would log in twice per database (its probe connection is thrown
 * away), and a login is the most expensive thing that a small build does.
 */
export function createConnector(options: ConnectorOptions): Connect {
  return async (request) => {
    let authentication: SqlAuthentication;
    try {
      authentication = await options.authentication();
    } catch (error) {
      return { ok: false, error: clientError('token', `No credentials for ${request.server}: ${messageOf(error)}`) };
    }
    if (request.signal?.aborted === true) return { ok: false, error: cancelled() };
    return login(options, request, authentication);
  };
}

function login(
  options: ConnectorOptions,
  request: ConnectRequest,
  authentication: SqlAuthentication,
): ReturnType<Connect> {
  const endpoint = options.resolveEndpoint(request.server, request.port);
  const givingUp = new AbortController();
  let stopped: SqlError | null = null;
  const stop = (reason: SqlError): void => {
    stopped ??= reason;
    givingUp.abort();
  };

  const connection = new Connection({
    server: request.server,
    ...driverAuthentication(authentication),
    options: {
      connector: (destination?: unknown) =>
        openSocket(redirected(destination, request.server, options.resolveEndpoint) ?? endpoint, givingUp.signal),
      port: endpoint.port,
      serverName: endpoint.serverName,
      database: request.database,
      appName: options.applicationName,
      encrypt: options.encrypt,
      trustServerCertificate: false,
      ...(options.certificateAuthority === undefined
        ? {}
        : { cryptoCredentialsDetails: { ca: options.certificateAuthority } }),
      // Both limits are ours; the driver's is a backstop behind it.
      connectTimeout: options.loginTimeoutMs + 1_000,
      requestTimeout: 0,
      cancelTimeout: options.cancelTimeoutMs,
      // The driver would try again after half a second, which is too soon, and without telling.
      maxRetriesOnTransientErrors: 0,
      useColumnNames: false,
      rowCollectionOnDone: false,
      rowCollectionOnRequestCompletion: false,
      lowerCaseGuids: true,
    },
  });
  const watch = watchTransactions(connection);
  // Without a listener a socket error in a quiet moment would end the process. What it means is read from the state.
  connection.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => connection.once('end', () => resolve()));

  return new Promise((resolve) => {
    const refusals: ServerError[] = [];
    const onRefusal = (error: ServerError): void => void refusals.push(error);
    const onAbort = (): void => stop(cancelled());
    const timer = setTimeout(
      () =>
        stop(
          clientError(
            'timeout',
            `The login to ${request.server} did not end within ${options.loginTimeoutMs / 1000} s.`,
          ),
        ),
      options.loginTimeoutMs,
    );
    connection.on('errorMessage', onRefusal);
    request.signal?.addEventListener('abort', onAbort, { once: true });

    connection.connect((error?: Error) => {
      clearTimeout(timer);
      request.signal?.removeEventListener('abort', onAbort);
      connection.removeListener('errorMessage', onRefusal);
      if (error === undefined && stopped === null) {
        resolve({ ok: true, connection: session(connection, watch, ended) });
        return;
      }
      connection.close();
      const [first, ...rest] = refusals;
      const reason = stopped ?? (first === undefined ? transportError(error) : serverError([first, ...rest]));
      resolve({ ok: false, error: reason });
    });
  });
}

function session(connection: Connection, watch: TransactionWatch, ended: Promise<void>): SqlConnection {
  const runner = createBatchRunner(connection, watch);
  let open = true;
  void ended.then(() => (open = false));
  return {
    execute: (text, batchOptions) => runner.run(text, batchOptions),
    get transaction() {
      return watch.current;
    },
    get open() {
      return open && !connection.closed;
    },
    async close() {
      if (open) connection.close();
      await ended;
    },
  };
}

function cancelled(): SqlError {
  return clientError('cancelled', 'The build was cancelled.');
}

function driverAuthentication(authentication: SqlAuthentication): Pick<ConnectionConfiguration, 'authentication'> {
  return authentication.kind === 'password'
    ? {
        authentication: {
          type: 'default',
          options: { userName: authentication.user, password: authentication.password },
        },
      }
    : { authentication: { type: 'azure-active-directory-access-token', options: { token: authentication.token } } };
}

/** The driver names another destination when the gateway redirected the login to the node that holds the database. */
function redirected(
  destination: unknown,
  server: string,
  resolveEndpoint: ResolveEndpoint,
): { host: string; port: number } | null {
  if (typeof destination !== 'object' || destination === null) return null;
  if (!('host' in destination) || typeof destination.host !== 'string') return null;
  if (!('port' in destination) || typeof destination.port !== 'number') return null;
  return destination.host === server ? null : resolveEndpoint(destination.host, destination.port);
}

/** The socket is ours, so that giving up ends a login in any of its phases. */
function openSocket(endpoint: { host: string; port: number }, givingUp: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host: endpoint.host, port: endpoint.port, noDelay: true });
    const onGivingUp = (): void => void socket.destroy(new Error('The login was given up.'));
    socket.once('close', () => givingUp.removeEventListener('abort', onGivingUp));
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      resolve(socket);
    });
    if (givingUp.aborted) onGivingUp();
    else givingUp.addEventListener('abort', onGivingUp, { once: true });
  });
}
