import { setTimeout as delay } from 'node:timers/promises';
import { packetType } from '../../../../local/sql/wire/packets';
import { createScriptedEngine, one } from './scripted-engine';
import { type ServersUnderTest, startServers } from './servers-under-test';
import { batch, close, connect } from './tedious-client';
import { batchPayload, callPayload, loginPayload, packet, preloginPayload, rawConnect, rawLogin } from './raw-client';

const seed = Number(process.env['SQLFLEET_FUZZ_SEED'] ?? 20_240_229);
const rounds = Number(process.env['SQLFLEET_FUZZ_ROUNDS'] ?? 600);

/** Mulberry32: the same numbers for the same seed, everywhere. */
function createRandom(state: number): (below: number) => number {
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Flips, cuts, repeats, inserts extreme bytes: mostly still recognisable, so that the damage gets deep. */
function mutate(original: Buffer, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(original);
  const extremes = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
  for (let count = random(6); count >= 0; count -= 1) {
    const at = random(bytes.length + 1);
    const kind = random(5);
    if (kind === 0 && bytes.length > 0) bytes[Math.min(at, bytes.length - 1)] = random(256);
    else if (kind === 1 && bytes.length > 0) bytes[Math.min(at, bytes.length - 1)] = extremes[random(6)] ?? 0;
    else if (kind === 2) bytes = bytes.subarray(0, at);
    else if (kind === 3)
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random(at + 1))]).subarray(0, 60_000);
    else
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(random(9), extremes[random(6)]), bytes.subarray(at)]);
  }
  return bytes;
}

const collation = '0904d00034';
const call = callPayload(
  Buffer.from('ffff0a000000', 'hex'),
  Buffer.from(`0000e70800${collation}040041004200`, 'hex'), // nvarchar
  Buffer.from(`0001e7ffff${collation}feffffffffffffff0400000041004200` + '00000000', 'hex'), // nvarchar(max)
  Buffer.from('0000260404ffffff7f', 'hex'), // int
  Buffer.from('00006a111203090100000000000000ff', 'hex'), // decimal
  Buffer.from('00002b07' + '0a' + '00000000003a070b' + '7800', 'hex'), // datetimeoffset
  Buffer.from('0000a5050003000102' + '03', 'hex'), // varbinary
  Buffer.from('0000241000112233445566778899aabbccddeeff', 'hex'), // uniqueidentifier
);

const seeds = {
  prelogin: packet(packetType.prelogin, preloginPayload),
  login: packet(packetType.login, loginPayload()),
  batch: packet(packetType.batch, batchPayload('SELECT 1')),
  call: packet(packetType.rpc, call),
  begin: packet(packetType.transaction, callPayload(Buffer.from('0500' + '02' + '00', 'hex'))),
  commit: packet(packetType.transaction, callPayload(Buffer.from('0700' + '00' + '00', 'hex'))),
};

let servers: ServersUnderTest;
beforeAll(async () => {
  servers = await startServers(createScriptedEngine(one), { limits: { loginMs: 200, stallMs: 100 } });
});
afterAll(() => servers.close());

test(`${rounds} damaged conversations (seed ${seed}) neither stop the servers nor fill the memory`, async () => {
  const random = createRandom(seed);
  const heapBefore = process.memoryUsage().rss;
  const requests = [seeds.batch, seeds.call, seeds.begin, seeds.commit];

  const converse = async (): Promise<void> => {
    const stage = random(4);
    if (stage === 0) {
      const client = await rawConnect(servers.port);
      client.send(mutate(seeds.prelogin, random), mutate(seeds.login, random));
      client.socket.end();
      await client.ended;
      return;
    }
    if (stage === 1) {
      const client = await rawConnect(servers.port);
      client.send(seeds.prelogin);
      await client.receive();
      client.send(mutate(seeds.login, random));
      client.socket.end();
      await client.ended;
      return;
    }
    const client = await rawLogin(servers.port);
    for (let count = random(4); count >= 0; count -= 1) {
      const original = requests[random(requests.length)] ?? seeds.batch;
      // Half of them with a true length, so that the damage reaches what is inside of the packet.
      const type = original.readUInt8(0);
      client.send(random(2) === 0 ? mutate(original, random) : packet(type, mutate(original.subarray(8), random)));
    }
    if (random(2) === 0) client.socket.end();
    else setTimeout(() => client.socket.destroy(), 5);
    await client.ended;
  };
  const parallel = 20;
  for (let round = 0; round < rounds; round += parallel) {
    await Promise.all(Array.from({ length: parallel }, converse));
  }

  expect(servers.defects).toEqual([]);
  expect(process.memoryUsage().rss - heapBefore).toBeLessThan(200 * 1024 * 1024);
  await delay(0);
  const connection = await connect(servers.port);
  expect((await batch(connection, 'SELECT 1')).rows).toEqual([[1]]);
  await close(connection);
});
