import { CosmosClient } from '@azure/cosmos';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import topology from '../../infra/topology.json';
import { type OutcomeView } from '../../lib/builds/view';
import { type Progress, progressSchema } from '../../lib/builds/schema';
import { createConnector } from '../../lib/sql/connector';
import { type LaunchOptions } from '../../local/launcher/options';
import { startTestCloud, type TestCloud } from '../e2e/cloud';

export type FaultyPart = 'sql' | 'broker' | 'documents' | 'blobs';

export interface Database {
  server: string;
  database: string;
}

/** The whole embedded cloud in a process of its own, with means to break it, and to see what is true in its databases. */
export interface FaultyCloud {
  cloud: TestCloud;
  setFaults(part: FaultyPart, faults: object[]): Promise<void>;
  clearFaults(): Promise<void>;
  /** Resolves when every fault of the part has struck as often as it may. */
  struck(part: FaultyPart): Promise<void>;
  act(part: FaultyPart, action: string): Promise<void>;
  databases(): Database[];
  sqlCounters(): Promise<{ server: string; database: string; logins: number; refusedLogins: number }[]>;
  query(database: Database, text: string): Promise<unknown[][]>;
  /** What the monitor remembers of a build. */
  progress(buildId: string): Promise<Progress>;
  outcomes(buildId: string): Promise<OutcomeView[]>;
  /** Everything that the processes wrote. */
  output(): string;
}

const countersSchema = z.object({
  sql: z.array(z.object({ server: z.string(), database: z.string(), logins: z.number(), refusedLogins: z.number() })),
});

export async function startFaultyCloud(options: Partial<LaunchOptions> = {}): Promise<FaultyCloud> {
  let output = '';
  const cloud = await startTestCloud(options, { onOutput: (text) => (output += text) });
  const control = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${cloud.endpoints.control.url}/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${text}`);
    return JSON.parse(text);
  };
  const parts: readonly FaultyPart[] = ['sql', 'broker', 'documents', 'blobs'];
  return {
    cloud,
    setFaults: async (part, faults) => void (await control('PUT', `faults/${part}`, faults)),
    async clearFaults() {
      for (const part of parts) await control('PUT', `faults/${part}`, []);
    },
    struck: (part) =>
      eventually(`all faults of ${part} struck`, async () => {
        return z.array(z.unknown()).parse(await control('GET', `faults/${part}`)).length === 0;
      }),
    act: async (part, action) => void (await control('POST', `actions/${part}/${action}`)),
    sqlCounters: async () => countersSchema.parse(await control('GET', 'counters')).sql,
    databases: () =>
      cloud.endpoints.sql.flatMap(({ server, databases }) => databases.map((database) => ({ server, database }))),
    async query({ server, database }, text) {
      const at = cloud.endpoints.sql.find((candidate) => candidate.server === server);
      if (at === undefined) throw new Error(`there is no server ${server}`);
      const connect = createConnector({
        authentication: async () => ({ kind: 'password', user: at.user, password: at.password }),
        resolveEndpoint: () => ({ host: at.host, port: at.port, serverName: at.server }),
        encrypt: true,
        certificateAuthority: readFileSync(cloud.endpoints.caFile, 'utf8'),
        applicationName: 'test',
        loginTimeoutMs: 10_000,
        cancelTimeoutMs: 1_000,
      });
      const login = await connect({ server, port: null, database });
      if (!login.ok) throw new Error(login.error.message);
      const answer = await login.connection.execute(text, { timeoutMs: 10_000, maximumRows: 10_000 });
      await login.connection.close();
      if (answer.error !== null) throw new Error(answer.error.message);
      return answer.resultSets.flatMap(({ rows }) => rows.map((row) => [...row]));
    },
    async progress(buildId) {
      const client = new CosmosClient(cloud.endpoints.cosmos);
      try {
        const container = client.database(topology.cosmos.database).container('builds');
        return progressSchema.parse((await container.item('progress', buildId).read<object>()).resource);
      } finally {
        client.dispose();
      }
    },
    outcomes: async (buildId) => (await cloud.api.outcomes(buildId, '?pageSize=1000')).items,
    output: () => output,
  };
}

const patienceMs = 60_000;

/** Waits until `holds`, asking again and again. */
export async function eventually(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadlineMs = Date.now() + patienceMs;
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error(`it did not come true that ${what}`);
    await delay(20);
  }
}
