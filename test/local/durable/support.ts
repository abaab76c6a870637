import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DummyEntityContext, type EntityHandler, type OrchestrationHandler } from 'durable-functions';
import { createEntityFunction } from 'durable-functions/lib/src/util/testingUtils';
import { z } from 'zod';
import { type Clock } from '../../../lib/platform/clock';
import { invokeDirectly } from '../../../local/durable/direct-invocation';
import { createDurableEngine, type DurableEngineOptions, type LocalDurableEngine } from '../../../local/durable/engine';
import { type FunctionInvoker } from '../../../local/host/contract';

/** The functions of a test's app. Activities get their input as the library's invocation model would parse it. */
export interface TestApp {
  orchestrators: Record<string, OrchestrationHandler>;
  activities?: Record<string, (input: unknown) => unknown>;
  entities?: Record<string, EntityHandler<unknown>>;
}

/** Runs the app through the real durable-functions executors; only the Functions host's registration is left out. */
export function invokerOf(app: TestApp): FunctionInvoker {
  return {
    async invoke(name, trigger) {
      const orchestrator = app.orchestrators[name];
      if (orchestrator !== undefined) {
        return overTheWire(await invokeDirectly(orchestrator)(name, 'json' in trigger ? trigger.json : trigger.string));
      }
      const input: unknown = 'json' in trigger ? JSON.parse(trigger.json) : parseIfJson(trigger.string);
      const activity = app.activities?.[name];
      if (activity !== undefined) return overTheWire(await activity(input));
      const entity = app.entities?.[name];
      if (entity === undefined) throw new Error(`no function ${name}`);
      return overTheWire(await createEntityFunction(entity)(input, new DummyEntityContext()));
    },
  };
}

function parseIfJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return text;
  }
}

function overTheWire(value: unknown): unknown {
  const copy: unknown = value === undefined ? undefined : JSON.parse(JSON.stringify(value));
  return copy;
}

/** A clock that moves only when told to; sleepers wake in the order of their times. */
export interface TestClock extends Clock {
  /** Moves on by `ms`, letting everything that becomes due happen on the way. */
  advance(ms: number): Promise<void>;
}

export function createTestClock(startMs = Date.UTC(2026, 0, 1)): TestClock {
  let now = startMs;
  let sleepers: Array<{ atMs: number; wake: () => void }> = [];
  return {
    nowMs: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { atMs: now + ms, wake: resolve };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers = sleepers.filter((other) => other !== sleeper);
          reject(new Error('aborted'));
        });
      }),
    async advance(ms) {
      const untilMs = now + ms;
      await settle();
      for (;;) {
        const due = sleepers.filter((sleeper) => sleeper.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
        if (due === undefined) break;
        now = Math.max(now, due.atMs);
        sleepers = sleepers.filter((other) => other !== due);
        due.wake();
        await settle();
      }
      now = untilMs;
      await settle();
    },
  };
}

/** Lets everything run that needs no time to pass. */
export async function settle(turns = 40): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await nextTurn();
}

export const status = z.object({
  instanceId: z.string(),
  runtimeStatus: z.string(),
  input: z.unknown(),
  output: z.unknown(),
  customStatus: z.unknown(),
  createdTime: z.string(),
  historyEvents: z.array(z.looseObject({ EventType: z.string() })).nullable(),
});
export type Status = z.infer<typeof status>;

/** An engine with an app, driven through its HTTP interface. */
export interface Hub {
  engine: LocalDurableEngine;
  clock: TestClock;
  logs: string[];
  request(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: unknown; headers: Record<string, string> }>;
  start(name: string, input?: unknown, instanceId?: string): Promise<string>;
  status(instanceId: string, query?: string): Promise<Status>;
  /** Waits in real time, without moving the clock, until the instance is in a state; fails after some seconds. */
  until(instanceId: string, runtimeStatus: string): Promise<Status>;
  raise(instanceId: string, event: string, data: unknown): Promise<number>;
  stop(): Promise<void>;
}

export interface HubOptions {
  journalPath?: string;
  clock?: TestClock;
  options?: Partial<DurableEngineOptions>;
  /** Stands between the engine and the app. */
  around?: (invoker: FunctionInvoker) => FunctionInvoker;
}

let ids = 0;

export async function startHub(app: TestApp, hubOptions: HubOptions = {}): Promise<Hub> {
  const clock = hubOptions.clock ?? createTestClock();
  const logs: string[] = [];
  const engine = createDurableEngine({
    taskHubName: 'TestHub',
    journalPath: hubOptions.journalPath ?? null,
    clock,
    newId: () => `id${String((ids += 1)).padStart(6, '0')}`,
    log: (level, message) => logs.push(`${level}: ${message}`),
    systemKey: 'secret',
    options: { strictReplay: true, ...hubOptions.options },
  });
  const invoker = invokerOf(app);
  await engine.start(
    {
      orchestrators: Object.keys(app.orchestrators),
      activities: Object.keys(app.activities ?? {}),
      entities: Object.keys(app.entities ?? {}),
    },
    hubOptions.around?.(invoker) ?? invoker,
  );

  const request: Hub['request'] = async (method, path, body) => {
    const response = await engine.handle({
      method,
      url: `/durabletask/${path}`,
      headers: { host: 'localhost:7071', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: Buffer.from(body === undefined ? '' : JSON.stringify(body)),
    });
    const text = response.body.toString();
    return { status: response.status, headers: response.headers, body: text === '' ? null : parseIfJson(text) };
  };
  const statusNow: Hub['status'] = async (instanceId, query = '') =>
    status.parse((await request('GET', `instances/${instanceId}?${query}`)).body);

  return {
    engine,
    clock,
    logs,
    request,
    async start(name, input, instanceId) {
      const path = instanceId === undefined ? name : `${name}/${instanceId}`;
      const response = await request('POST', `orchestrators/${path}`, input);
      if (response.status !== 202)
        throw new Error(`start answered ${response.status} ${JSON.stringify(response.body)}`);
      return z.object({ id: z.string() }).parse(response.body).id;
    },
    status: statusNow,
    async until(instanceId, wanted) {
      for (let turn = 0; turn < 20_000; turn += 1) {
        const now = await statusNow(instanceId);
        if (now.runtimeStatus === wanted) return now;
        await nextTurn();
      }
      const last = await statusNow(instanceId, 'showHistory=true');
      throw new Error(`${instanceId} did not become ${wanted}: ${JSON.stringify(last)} ${logs.join(' ')}`);
    },
    raise: async (instanceId, event, data) =>
      (await request('POST', `instances/${instanceId}/raiseEvent/${event}`, data)).status,
    stop: () => engine.stop(0),
  };
}

/** A folder for journals, gone when `remove` is called. */
export function temporaryFolder(): { path(name: string): string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'sqlfleet-durable-'));
  return { path: (name) => join(folder, name), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Puts an engine behind a real port, as the host does. */
export async function serve(engine: LocalDurableEngine): Promise<{ baseUrl: string; close(): Promise<void> }> {
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const headers = Object.fromEntries(
        Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
      );
      const { method = 'GET', url = '/' } = incoming;
      void engine.handle({ method, url, headers, body: Buffer.concat(chunks) }).then((response) => {
        outgoing.writeHead(response.status, response.headers).end(response.body);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    baseUrl: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
