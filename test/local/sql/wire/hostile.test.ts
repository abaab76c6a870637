import { setTimeout as delay } from 'node:timers/promises';
import { packetStatus, packetType } from '../../../../local/sql/wire/packets';
import { byText, createScriptedEngine, one, type ScriptedEngine } from './scripted-engine';
import { type ServersUnderTest, startServers } from './servers-under-test';
import { batch, close, connect } from './tedious-client';
import {
  batchPayload,
  callPayload,
  errorIn,
  lastDoneStatus,
  loginPayload,
  packet,
  packetsOf,
  preloginPayload,
  rawConnect,
  rawLogin,
} from './raw-client';

const doneMore = 0x01;
const doneAttention = 0x20;

let engine: ScriptedEngine;
let servers: ServersUnderTest;

beforeAll(async () => {
  engine = createScriptedEngine(
    byText({
      one,
      sp_executesql: one,
      forever: (_request, _sink, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
    }),
  );
  servers = await startServers(engine, {
    limits: { loginMs: 300, stallMs: 200, requestBytes: 1024 * 1024, loginBytes: 16 * 1024, connections: 50 },
  });
});
beforeEach(() => {
  engine.requests.length = 0;
});
afterEach(async () => {
  // Whatever the client did, the next one is served, and nothing stays behind.
  const connection = await connect(servers.port);
  expect((await batch(connection, 'one')).rows).toEqual([[1]]);
  await close(connection);
  while (engine.openSessions > 0) await delay(1);
  expect(servers.defects).toEqual([]);
});
afterAll(() => servers.close());

describe('before the login', () => {
  test.each<[string, Buffer[]]>([
    ['noise', [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
    ['a packet whose length is below that of its header', [Buffer.from('1201000400000000', 'hex')]],
    ['a packet with the largest length that there is', [Buffer.from('1201ffff00000000', 'hex'), Buffer.alloc(70_000)]],
    ['PRELOGIN without an end', [packet(packetType.prelogin, Buffer.from([1, 0, 6, 0, 1]))]],
    ['PRELOGIN with an option outside of it', [packet(packetType.prelogin, Buffer.from([1, 0xff, 0xff, 0, 1, 0xff]))]],
    ['a login without PRELOGIN', [packet(packetType.login, loginPayload())]],
    ['more than a login may have', Array.from({ length: 8 }, () => packet(packetType.prelogin, Buffer.alloc(4000), 0))],
    ['TLS that is none', [Buffer.concat([Buffer.from('1603010200', 'hex'), Buffer.alloc(600, 7)])]],
  ])('%s ends the connection', async (_name, packets) => {
    const client = await rawConnect(servers.port);
    client.send(...packets);
    await client.ended;
  });

  test.each<[string, Buffer[]]>([
    ['nothing', []],
    ['half a header', [Buffer.from('1201', 'hex')]],
    ['TLS that breaks off', [Buffer.from('16030102000100', 'hex')]],
    ['PRELOGIN and no login', [packet(packetType.prelogin, preloginPayload)]],
    ['TLS inside TDS that never begins', [packet(packetType.prelogin, Buffer.from([1, 0, 6, 0, 1, 0xff, 1]))]],
  ])('a client that sends %s does not stay', async (_name, packets) => {
    const client = await rawConnect(servers.port);
    client.send(...packets);
    await client.ended;
  });

  const afterPrelogin = async (payload: Buffer): Promise<ReturnType<typeof errorIn>> => {
    const client = await rawConnect(servers.port);
    client.send(packet(packetType.prelogin, preloginPayload));
    await client.receive();
    client.send(packet(packetType.login, payload));
    const error = errorIn(await client.receive());
    await client.ended;
    return error;
  };

  test('a login that is cut off, or points outside of itself, is answered with 4002', async () => {
    expect(await afterPrelogin(loginPayload().subarray(0, 50))).toMatchObject({ number: 4002 });
    const outside = loginPayload();
    outside.writeUInt16LE(60_000, 40);
    expect(await afterPrelogin(outside)).toMatchObject({ number: 4002 });
    const extension = loginPayload();
    extension.writeUInt8(0x10, 27); // announces a feature extension, and has none
    expect(await afterPrelogin(extension)).toMatchObject({ number: 4002 });
  });

  test('a version of TDS that is too old is refused', async () => {
    expect(await afterPrelogin(loginPayload({ tdsVersion: 0x71000001 }))).toMatchObject({ number: 17828 });
  });

  test('connections beyond the limit are closed, and those within go on', async () => {
    const connection = await connect(servers.port);
    const clients = await Promise.all(Array.from({ length: 60 }, () => rawConnect(servers.port)));
    await Promise.all(clients.map(({ ended }) => ended));
    expect((await batch(connection, 'one')).rows).toEqual([[1]]);
    await close(connection);
  });
});

describe('after the login', () => {
  const procedure = Buffer.from('ffff0a000000', 'hex'); // sp_executesql, no options
  const parameter = (...bytes: number[]): Buffer => Buffer.from([0, 0, ...bytes]);
  const collation = [0x09, 0x04, 0xd0, 0x00, 0x34];

  test.each<[string, Buffer]>([
    ['a message of an unknown type', packet(0x55, batchPayload('one'))],
    ['a second login', packet(packetType.login, loginPayload())],
    ['an empty request', packet(packetType.batch, Buffer.alloc(0))],
    ['headers longer than the request', packet(packetType.batch, Buffer.from('ffffffff00000000', 'hex'))],
    ['a header of no length', packet(packetType.batch, Buffer.from('0a000000000000000000', 'hex'))],
    ['half a character', packet(packetType.batch, Buffer.concat([batchPayload('one'), Buffer.of(0)]))],
    ['a call of no procedure', packet(packetType.rpc, callPayload())],
    ['a procedure number that does not exist', packet(packetType.rpc, callPayload(Buffer.from('ffff63000000', 'hex')))],
    ['a procedure name longer than the call', packet(packetType.rpc, callPayload(Buffer.from('ff7f4100', 'hex')))],
    ['a parameter of an unknown type', packet(packetType.rpc, callPayload(procedure, parameter(0x99)))],
    ['an int of three bytes', packet(packetType.rpc, callPayload(procedure, parameter(0x26, 3, 3, 1, 2, 3)))],
    ['a decimal of no digits', packet(packetType.rpc, callPayload(procedure, parameter(0x6a, 17, 0, 0, 0)))],
    ['a time of the ninth digit', packet(packetType.rpc, callPayload(procedure, parameter(0x29, 9, 5, 0, 0, 0, 0, 0)))],
    ['a date after the last', packet(packetType.rpc, callPayload(procedure, parameter(0x28, 3, 255, 255, 255)))],
    [
      'a text longer than announced',
      packet(packetType.rpc, callPayload(procedure, parameter(0xe7, 2, 0, ...collation, 4, 0, 65, 0, 66, 0))),
    ],
    [
      'a chunk of four gigabytes',
      packet(
        packetType.rpc,
        callPayload(
          procedure,
          parameter(0xe7, 255, 255, ...collation, ...Array<number>(8).fill(0xfe), 255, 255, 255, 255),
        ),
      ),
    ],
    [
      'an isolation level that does not exist',
      packet(packetType.transaction, callPayload(Buffer.from('05002200', 'hex'))),
    ],
  ])('%s is answered with 4002, and the connection ends', async (_name, bytes) => {
    const client = await rawLogin(servers.port);
    client.send(bytes);
    const response = await client.receive();
    expect(errorIn(response)).toMatchObject({ number: 4002 });
    expect(lastDoneStatus(response) & doneMore).toBe(0);
    await client.ended;
    expect(engine.requests).toEqual([]);
  });

  test('more parameters than SQL Server takes are refused with its number', async () => {
    const client = await rawLogin(servers.port);
    const many = Array.from({ length: 2101 }, () => parameter(0x26, 4, 0));
    client.send(...packetsOf(packetType.rpc, callPayload(procedure, ...many)));
    expect(errorIn(await client.receive())).toMatchObject({ number: 8003 });
    client.send(...packetsOf(packetType.rpc, callPayload(procedure, ...many.slice(1))));
    expect(errorIn(await client.receive())).toBeNull();
    client.socket.destroy();
  });

  test('several calls in one message are answered in one, and too many are none', async () => {
    const client = await rawLogin(servers.port);
    const calls = (count: number): Buffer =>
      Buffer.concat(
        Array.from({ length: count }, (_, index) =>
          index === 0 ? procedure : Buffer.from(`80${procedure.toString('hex')}`, 'hex'),
        ),
      );
    client.send(...packetsOf(packetType.rpc, callPayload(calls(3))));
    expect(lastDoneStatus(await client.receive()) & doneMore).toBe(0);
    expect(engine.requests).toHaveLength(3);
    client.send(...packetsOf(packetType.rpc, callPayload(calls(20_000))));
    expect(errorIn(await client.receive())).toMatchObject({ number: 4002 });
    await client.ended;
  });

  test('a text in very many chunks costs no more than its length', async () => {
    const client = await rawLogin(servers.port);
    const chunks = Buffer.alloc(6 * 150_000);
    for (let offset = 0; offset < chunks.length; offset += 6) {
      chunks.writeUInt32LE(2, offset);
      chunks.writeUInt16LE(65, offset + 4);
    }
    const start = parameter(0xe7, 255, 255, ...collation, 0xfe, ...Array<number>(7).fill(0xff));
    client.send(...packetsOf(packetType.rpc, callPayload(procedure, start, chunks, Buffer.alloc(4))));
    expect(errorIn(await client.receive())).toBeNull();
    expect(engine.requests).toMatchObject([{ parameters: [{ value: 'A'.repeat(150_000) }] }]);
    client.socket.destroy();
  });

  test('a request longer than allowed ends the connection while it is being sent', async () => {
    const client = await rawLogin(servers.port);
    const part = packet(packetType.batch, Buffer.alloc(32_000), 0);
    for (let sent = 0; sent < 64 && !client.socket.destroyed; sent += 1) client.send(part);
    expect(errorIn(await client.receive())).toMatchObject({ number: 4002 });
    await client.ended;
  });

  test('a request that rests half-sent ends the connection', async () => {
    const client = await rawLogin(servers.port);
    client.send(packet(packetType.batch, batchPayload('one'), 0));
    expect(errorIn(await client.receive())).toMatchObject({ number: 4002 });
    await client.ended;
  });

  test('an idle connection is left alone', async () => {
    const client = await rawLogin(servers.port);
    await delay(400); // beyond both limits
    client.send(packet(packetType.batch, batchPayload('one')));
    expect(errorIn(await client.receive())).toBeNull();
    client.socket.destroy();
  });

  test('multiple sessions on one connection (MARS) are not entered into', async () => {
    const client = await rawLogin(servers.port);
    client.send(Buffer.from('53010000100000000000000004000000', 'hex'));
    await client.ended;
  });

  test('a request that is given up while it is sent is answered and not run', async () => {
    const client = await rawLogin(servers.port);
    const ignored = packetStatus.endOfMessage | packetStatus.ignore;
    client.send(packet(packetType.batch, batchPayload('one'), 0), packet(packetType.batch, Buffer.alloc(0), ignored));
    expect(lastDoneStatus(await client.receive()) & doneMore).toBe(0);
    client.send(packet(packetType.batch, batchPayload('one')));
    await client.receive();
    expect(engine.requests).toEqual([{ kind: 'batch', text: 'one' }]);
    client.socket.destroy();
  });

  test('attention instead of the rest of a request is acknowledged, once', async () => {
    const client = await rawLogin(servers.port);
    client.send(packet(packetType.batch, batchPayload('one'), 0), packet(packetType.attention, Buffer.alloc(0)));
    expect(lastDoneStatus(await client.receive()) & doneAttention).toBe(doneAttention);
    client.send(packet(packetType.batch, batchPayload('one')));
    expect(lastDoneStatus(await client.receive()) & doneAttention).toBe(0);
    expect(engine.requests).toHaveLength(1);
    client.socket.destroy();
  });

  test('a cancelled request is answered in two messages', async () => {
    const client = await rawLogin(servers.port);
    client.send(packet(packetType.batch, batchPayload('forever')));
    while (engine.requests.length === 0) await delay(1);
    client.send(packet(packetType.attention, Buffer.alloc(0)));
    const first = lastDoneStatus(await client.receive());
    const second = lastDoneStatus(await client.receive());
    expect([first & (doneAttention | doneMore), second & (doneAttention | doneMore)]).toEqual([0, doneAttention]);
    client.socket.destroy();
  });

  test('requests sent without waiting for answers are answered in order', async () => {
    const client = await rawLogin(servers.port);
    for (let index = 0; index < 50; index += 1) client.send(packet(packetType.batch, batchPayload('one')));
    for (let index = 0; index < 50; index += 1) expect(lastDoneStatus(await client.receive()) & doneMore).toBe(0);
    client.socket.destroy();
  });
});
