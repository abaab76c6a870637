import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type BuildView } from '../../lib/builds/view';
import { workOrderSchema } from '../../lib/builds/remote-work';
import { systemClock } from '../../lib/platform/clock';
import { isAppError } from '../../lib/platform/errors';
import { type Endpoints } from '../../local/launcher/endpoints';
import { type ApiClient } from '../api-client';
import { createAppClient } from '../worker/app-client';
import { signToken } from '../worker/sign';
import { createDatabaseReader } from './database-reader';
import { type WorkerProcess } from './worker-process';

export interface ClusterDemoDeps {
  api: ApiClient;
  endpoints: Endpoints;
  say(text: string): void;
  startWorker(name: string, keyFile: string): WorkerProcess;
  keyFile: string;
}

const external = 'contoso-east';
const endedStates = new Set<BuildView['state']>(['succeeded', 'finishedWithFailures', 'cancelled', 'failed']);
const patienceMs = 180_000;
const lookEveryMs = 200;
const clusterSchema = z.looseObject({ status: z.string() });
const keySchema = z.looseObject({ id: z.string() });

/** Two organisations, two clusters: who works where, what a kill and a key rotation change (nothing), and who sees what. */
export function createClusterDemo(deps: ClusterDemoDeps) {
  const { api, endpoints, keyFile } = deps;
  const say = (text: string): void => deps.say(text);
  const startWorker = (name: string): WorkerProcess => deps.startWorker(name, keyFile);
  const databases = createDatabaseReader(endpoints);
  const call = async <T>(method: string, path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> => {
    const headers = {
      'x-functions-key': endpoints.http.functionKey,
      'content-type': 'application/json',
      'x-actor': 'demo',
      'x-reason': 'npm run demo:clusters',
    };
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await fetch(`${endpoints.http.baseUrl}/api/${path}`, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return schema.parse(text === '' ? undefined : JSON.parse(text));
  };
  const until = async <T>(what: string, look: () => Promise<T>, holds: (value: T) => boolean): Promise<T> => {
    const deadlineMs = Date.now() + patienceMs;
    for (;;) {
      const value = await look();
      if (holds(value)) return value;
      if (Date.now() > deadlineMs) throw new Error(`waited in vain for ${what}: ${JSON.stringify(value)}`);
      await delay(lookEveryMs);
    }
  };
  const expect = (what: string, actual: unknown, expected: unknown): void => {
    const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (is !== should) throw new Error(`${what}: ${is} instead of ${should}`);
    say(`   ✓ ${what}: ${is}`);
  };
  const status = () => call('GET', `buildClusters/${external}`, clusterSchema).then((cluster) => cluster.status);
  const newPair = () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return {
      publicJwk: pair.publicKey.export({ format: 'jwk' }),
      privateJwk: pair.privateKey.export({ format: 'jwk' }),
    };
  };
  /** As secret stores replace files: never half of one. */
  const writeKey = (jwk: object, kid: string): string => {
    const text = JSON.stringify({ ...jwk, kid });
    writeFileSync(`${keyFile}.new`, text, { mode: 0o600 });
    renameSync(`${keyFile}.new`, keyFile);
    return text;
  };
  const workerWith = (key: string) =>
    createAppClient({
      appUrl: endpoints.http.baseUrl,
      cluster: external,
      workerId: 'curious',
      sign: () =>
        signToken(
          key,
          { issuer: external, subject: external, audience: 'sqlfleet', lifetimeSeconds: 60, keyId: null },
          { nowMs: Date.now(), newId: randomUUID },
        ),
      clock: systemClock,
    });
  const refusal = async (attempt: Promise<unknown>): Promise<unknown> => {
    try {
      await attempt;
      return 'admitted';
    } catch (error) {
      if (!isAppError(error)) throw error;
      return [error.status, error.code];
    }
  };
  const submit = (organization: string, options: object, names: readonly string[], server: string) =>
    api.startBuild(
      [
        { name: '1.sql', bytes: `CREATE TABLE Visit (Id INT IDENTITY(1,1), By_ NVARCHAR(50) NOT NULL)` },
        {
          name: '2.sql',
          bytes: `INSERT INTO Visit (By_) VALUES (N'${organization}')\nGO\nWAITFOR DELAY '00:00:00.500'`,
        },
      ],
      names.map((name) => `${server}:${name}\n`).join(''),
      { organization, concurrencyLimit: 4, name: organization, ...options },
    );
  const ended = (build: BuildView) =>
    until(
      `the end of build ${build.name}`,
      () => api.getBuild(build.id),
      ({ state }) => endedStates.has(state),
    );

  return {
    async run(): Promise<void> {
      const [theirs, ours] = endpoints.sql;
      if (theirs === undefined || ours === undefined) throw new Error('the demo needs two servers');

      say(`1. An admin registers "${external}" for the organisation contoso, with the public half of a key:`);
      const first = newPair();
      const fields = { managedBy: 'external', scmOrganizations: ['contoso'], key: first.publicJwk };
      await call('POST', 'buildClusters', z.unknown(), { name: external, ...fields });
      const keysSchema = z.object({ items: z.array(keySchema) });
      const { items } = await call('GET', `buildClusters/${external}/keys`, keysSchema);
      const firstKey = items[0]?.id ?? '';
      const firstText = writeKey(first.privateJwk, firstKey);
      expect('status without workers', await status(), 'unhealthy');

      say(
        '\n2. Two workers start, as they would in a network of contoso’s own. They have the key, and the key of no store:',
      );
      const workers = [startWorker('worker-1'), startWorker('worker-2')];
      await Promise.all(workers.map((worker) => worker.says('the worker works')));
      expect('status with workers', await until('a heartbeat', status, (now) => now === 'active'), 'active');

      say('\n3. Both organisations build at the same time, each in the databases of one server:');
      const contoso = await submit('contoso', {}, theirs.databases, theirs.server);
      const fabrikam = await submit('fabrikam', {}, ours.databases, ours.server);
      expect('contoso’s build goes to', contoso.cluster, external);
      expect('fabrikam’s build goes to', fabrikam.cluster, 'managed');
      say(`   because ${contoso.clusterChoice?.reason ?? '?'}; because ${fabrikam.clusterChoice?.reason ?? '?'}`);

      say('\n4. In mid-build: worker-1 is killed (no signal that it could react to), and the key is rotated:');
      await until(
        'the first outcomes',
        () => api.getBuild(contoso.id),
        ({ counts }) => (counts.committed ?? 0) > 0,
      );
      await workers[0]?.kill();
      const second = newPair();
      const added = await call('POST', `buildClusters/${external}/keys`, keySchema, second.publicJwk);
      const secondText = writeKey(second.privateJwk, added.id);
      await call('DELETE', `buildClusters/${external}/keys/${firstKey}`, z.unknown());
      expect('a worker with the old key', await refusal(workerWith(firstText).admission()), [
        401,
        'clusters.handshake.refused',
      ]);
      const before = await api.getBuild(contoso.id);
      expect('the build was not over by then', endedStates.has(before.state), false);
      const third = startWorker('worker-3');
      await third.says('the worker works');

      say(
        '\n5. A worker of contoso’s that asks for fabrikam’s work, and a build of fabrikam’s that names contoso’s cluster:',
      );
      const curious = workerWith(secondText);
      const order = (build: BuildView) => refusal(curious.get('orders', { buildId: build.id }, workOrderSchema));
      expect('contoso’s own build', await order(contoso), 'admitted');
      expect('fabrikam’s build', await order(fabrikam), [403, 'builds.notYours']);
      const trespass = await submit(
        'fabrikam',
        { cluster: external, clusterOnly: true },
        ours.databases,
        ours.server,
      ).then(
        () => 'started',
        (error: unknown) =>
          error instanceof Error && / answered 4\d\d/.test(error.message) ? 'refused' : String(error),
      );
      expect('fabrikam naming contoso’s cluster', trespass, 'refused');

      say('\n6. Everything ends right:');
      for (const [build, server] of [
        [await ended(contoso), theirs],
        [await ended(fabrikam), ours],
      ] as const) {
        expect(`${build.name}: state`, build.state, 'succeeded');
        const { items: outcomes } = await api.outcomes(build.id, '?pageSize=1000');
        expect(
          `${build.name}: targets with an outcome`,
          new Set(outcomes.map(({ targetId }) => targetId)).size,
          server.databases.length,
        );
        expect(`${build.name}: outcomes`, outcomes.length, server.databases.length);
        const rows = await Promise.all(
          server.databases.map((database) => databases.rows({ server: server.server, database }, 'Visit')),
        );
        expect(
          `${build.name}: databases in which the script ran exactly once`,
          rows.filter((count) => count === 1).length,
          server.databases.length,
        );
      }

      say('\n7. The workers are told to stop:');
      const rest = [workers[1], third].filter((worker) => worker !== undefined);
      expect('exit codes', await Promise.all(rest.map((worker) => worker.stop())), [0, 0]);
      const audit = await call(
        'GET',
        `buildClusters/${external}/audit`,
        z.object({ items: z.array(z.looseObject({ action: z.string(), actor: z.string(), reason: z.string() })) }),
      );
      say('   The audit log of the cluster:');
      for (const { action, actor, reason } of audit.items)
        say(`     ${action.padEnd(14)} ${actor.padEnd(28)} ${reason}`);
    },
  };
}
