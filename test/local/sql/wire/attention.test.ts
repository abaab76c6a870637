import { type Connection } from 'tedious';
import { setTimeout as delay } from 'node:timers/promises';
import { byText, createScriptedEngine, one, type ScriptedEngine } from './scripted-engine';
import { type ServersUnderTest, startServers } from './servers-under-test';
import { batch, close, connect, send } from './tedious-client';

let engine: ScriptedEngine;
let servers: ServersUnderTest;
let cancelled: string[];

beforeEach(async () => {
  cancelled = [];
  const untilCancelled = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) =>
      signal.addEventListener('abort', () => {
        cancelled.push('cancelled');
        resolve();
      }),
    );
  engine = createScriptedEngine(
    byText({
      one,
      forever: (_request, _sink, signal) => untilCancelled(signal),
      'rows, then forever': async (request, sink, signal) => {
        sink.columns([{ name: 'a', type: { name: 'int' }, nullable: false }]);
        await sink.row([1]);
        await untilCancelled(signal);
      },
      'rows without end': async (_request, sink, signal) => {
        sink.columns([{ name: 'a', type: { name: 'nvarchar', length: 1000 }, nullable: false }]);
        while (!signal.aborted) {
          await sink.row(['x'.repeat(1000)]);
          produced += 1;
        }
        cancelled.push('cancelled');
      },
    }),
  );
  servers = await startServers(engine);
});
let produced = 0;
afterEach(async () => {
  await servers.close();
  expect(servers.defects).toEqual([]);
});

async function withConnection(
  options: Parameters<typeof connect>[1],
  use: (connection: Connection) => Promise<void>,
): Promise<void> {
  const connection = await connect(servers.port, options);
  try {
    await use(connection);
  } finally {
    await close(connection);
  }
}

test.each([false, true])(
  'a time-out cancels the request, and the connection goes on (encrypt: %s)',
  async (encrypt) => {
    await withConnection({ requestTimeout: 1_000, encrypt }, async (connection) => {
      for (const text of ['forever', 'rows, then forever']) {
        const { error } = await batch(connection, text);
        expect(error).toMatchObject({ code: 'ETIMEOUT' });
        expect((await batch(connection, 'one')).rows).toEqual([[1]]);
      }
      expect(cancelled).toHaveLength(2);
    });
  },
);

test('cancelling when the response is already complete leaves nothing behind', async () => {
  await withConnection({}, async (connection) => {
    const reply = await send(connection, 'one', (request) => {
      connection.execSqlBatch(request);
      request.once('row', () => connection.cancel());
    });
    expect(reply.error).toMatchObject({ code: 'ECANCEL' });
    expect((await batch(connection, 'one')).rows).toEqual([[1]]);
  });
});

test('a client that leaves cancels what it asked for', async () => {
  const connection = await connect(servers.port);
  void batch(connection, 'forever');
  while (engine.requests.length === 0) await delay(1);
  await close(connection);
  while (engine.openSessions > 0) await delay(1);
  expect(cancelled).toEqual(['cancelled']);
});

test.each([false, true])('a client that does not read holds the engine back (encrypt: %s)', async (encrypt) => {
  await withConnection({ encrypt }, async (connection) => {
    produced = 0;
    const reply = send(connection, 'rows without end', (request) => {
      connection.execSqlBatch(request);
      request.once('row', () => request.pause());
      setTimeout(() => connection.cancel(), 300);
    });
    let before = -1;
    while (before !== produced || produced === 0) {
      before = produced;
      await delay(100);
    }
    // What fits between the two: socket buffers, streams of the driver; a megabyte or a few, and no more.
    expect(produced * 2000).toBeLessThan(64 * 1024 * 1024);
    expect((await reply).error).toMatchObject({ code: 'ECANCEL' });
  });
});
