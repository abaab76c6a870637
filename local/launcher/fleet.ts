import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type ArmFleet } from '../arm/world';
import { type SqlEngine } from '../sql/session';
import { databaseNames, serverSuffix } from './server-names';

/** The embedded fleet as Azure Resource Manager and the launcher see it. */
export interface Fleet extends ArmFleet {
  /** Names with their domain, as clients address servers. */
  hostNames(): string[];
}

/** How many databases each server was given: what somebody dropped since is not created again at the next start. */
const givenSchema = z.record(z.string(), z.number());

/**
 * Makes sure that every server once had its databases; what is there already stays as it is, and what is not there any more, too.
 * @param onChange is told after a server or a database was created or deleted.
 */
export async function createFleet(
  engine: SqlEngine,
  wanted: { servers: readonly string[]; databasesPerServer: number; stateFolder: string },
  onChange: () => void,
): Promise<Fleet> {
  const file = join(wanted.stateFolder, 'fleet.json');
  const given = existsSync(file) ? givenSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) : {};
  for (const server of wanted.servers) {
    const before = given[server];
    if (before === undefined) await engine.createServer(server);
    if (!engine.listServers().includes(server)) continue;
    for (const database of databaseNames(wanted.databasesPerServer).slice(before ?? 0)) {
      await engine.createDatabase(server, database);
    }
    given[server] = Math.max(before ?? 0, wanted.databasesPerServer);
    writeFileSync(file, JSON.stringify(given));
  }
  const hostNames = (): string[] => engine.listServers().filter((name) => name.endsWith(serverSuffix));
  const change = async (work: Promise<void>): Promise<void> => {
    await work;
    onChange();
  };
  return {
    hostNames,
    listServers: async () => hostNames().map((name) => name.slice(0, -serverSuffix.length)),
    listDatabases: async (server) => {
      const names = await engine.listDatabases(`${server}${serverSuffix}`);
      return names.filter((name) => name.toLowerCase() !== 'master');
    },
    createDatabase: (server, database) => change(engine.createDatabase(`${server}${serverSuffix}`, database)),
    deleteDatabase: (server, database) => change(engine.dropDatabase(`${server}${serverSuffix}`, database)),
    createServer: (server) => change(engine.createServer(`${server}${serverSuffix}`)),
    deleteServer: (server) => change(engine.dropServer(`${server}${serverSuffix}`)),
  };
}
