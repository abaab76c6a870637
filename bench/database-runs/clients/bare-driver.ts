import { connect as connectSocket, type Socket } from 'node:net';
import { Connection, Request } from 'tedious';
import { allLogColumns } from '../../../lib/builds/run/tables';
import { epilogue, preamble } from '../../../lib/builds/run/protocol';
import { login, serverName } from '../model';
import { type BuildOneDatabase, type ClientDeps } from './client';

/**
 * The floor: the same requests on the same driver, and as little around them as a loop can do that means it. It reads what
 * the preamble answers, because the epilogue names the transaction, and makes the epilogue's text, because that names the
 * target and the times. Nothing is decided, checked, classified, timed out, watched or logged.
 */
export function createBareDriverClient({ port, certificateAuthority, pkg }: ClientDeps): BuildOneDatabase {
  const batches = pkg.scripts.flatMap((script) => script.batches.map((batch) => batch.text));
  const runOnceScriptIds = pkg.scripts.map(({ scriptId }) => scriptId);
  const begin = (targetId: string): string =>
    preamble({
      buildId: 'benchmark',
      targetId,
      runOnceScriptIds,
      transactional: true,
      xactAbort: true,
      lockTimeoutMs: 60_000,
    });
  const end = (targetId: string, database: string, transactionId: string): string => {
    const nowMs = Date.now();
    return epilogue({
      stamp: {
        buildId: 'benchmark',
        targetId,
        attempt: 1,
        packageSha256: pkg.sha256,
        packageHash: pkg.packageHash,
        buildFileName: pkg.name,
        description: '',
        requestedBy: 'benchmark',
        database,
        version: 'benchmark',
      },
      transactionId,
      rows: pkg.scripts.map((script, place) => ({
        script,
        sequence: place + 1,
        state: 'done',
        startedAtMs: nowMs,
        finishedAtMs: nowMs,
      })),
      tables: { journal: true, logColumns: allLogColumns },
    });
  };
  return async (index) => {
    const connection = new Connection({
      server: serverName,
      authentication: { type: 'default', options: { userName: login.user, password: login.password } },
      options: {
        connector: () => openSocket(port),
        port,
        serverName,
        database: `tenant${index}`,
        encrypt: true,
        trustServerCertificate: false,
        cryptoCredentialsDetails: { ca: certificateAuthority },
        requestTimeout: 0,
      },
    });
    const ended = new Promise<void>((resolve) => connection.once('end', () => resolve()));
    await new Promise<void>((resolve, reject) =>
      connection.connect((error?: Error) => (error === undefined ? resolve() : reject(error))),
    );
    const [session] = await execute(connection, begin(`t${index}`));
    for (const text of batches) await execute(connection, text);
    await execute(connection, end(`t${index}`, String(session?.[4]), String(session?.[3])));
    connection.close();
    await ended;
  };
}

/** The rows of the answer. */
function execute(connection: Connection, text: string): Promise<unknown[][]> {
  return new Promise((resolve, reject) => {
    const rows: unknown[][] = [];
    const request = new Request(text, (error) => (error ? reject(error) : resolve(rows)));
    request.on('row', (cells: { value: unknown }[]) => void rows.push(cells.map(({ value }) => value)));
    connection.execSqlBatch(request);
  });
}

function openSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host: '127.0.0.1', port, noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      resolve(socket);
    });
  });
}
