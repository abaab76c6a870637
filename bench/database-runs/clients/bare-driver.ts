import { connect as connectSocket, type Socket } from 'node:net';
import { Connection, Request } from 'tedious';
import { allLogColumns } from '../../../lib/builds/run/tables';
import { epilogue, preamble } from '../../../lib/builds/run/protocol';
import { login, serverName } from '../model';
import { type BuildOneDatabase, type ClientDeps } from './client';

/**
 * The floor: the same requests on the same driver with nothing around them. Texts are made once, answers are not looked
 * at, nothing is retried, timed, logged or checked. No client on this driver can do less for the same effect.
 */
export function createBareDriverClient({ port, certificateAuthority, pkg }: ClientDeps): BuildOneDatabase {
  const numbered = pkg.scripts.map((script, index) => ({ script, sequence: index + 1 }));
  const nowMs = Date.now();
  const batches = [
    preamble({
      buildId: 'benchmark',
      targetId: 't',
      runOnceScriptIds: pkg.scripts.map(({ scriptId }) => scriptId),
      transactional: true,
      xactAbort: true,
      lockTimeoutMs: 60_000,
    }),
    ...pkg.scripts.flatMap((script) => script.batches.map((batch) => batch.text)),
    epilogue({
      stamp: {
        buildId: 'benchmark',
        targetId: 't',
        attempt: 1,
        packageSha256: pkg.sha256,
        packageHash: pkg.packageHash,
        buildFileName: pkg.name,
        description: '',
        requestedBy: 'benchmark',
        database: 'tenant',
        version: 'benchmark',
      },
      transactionId: '1',
      rows: numbered.map((each) => ({ ...each, state: 'done', startedAtMs: nowMs, finishedAtMs: nowMs })),
      tables: { journal: true, logColumns: allLogColumns },
    }),
  ];
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
    for (const text of batches) {
      await new Promise<void>((resolve, reject) =>
        connection.execSqlBatch(new Request(text, (error) => (error ? reject(error) : resolve()))),
      );
    }
    connection.close();
    await ended;
  };
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
