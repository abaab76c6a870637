import { type ArmFleet } from '../arm/world';
import { type SqlEngine } from '../sql/session';
import { databaseNames, serverSuffix } from './server-names';

/** The embedded fleet as Azure Resource Manager and the launcher see it. */
export interface Fleet extends ArmFleet {
  /** Names with their domain, as clients address servers. */
  hostNames(): string[];
}

/**
 * Makes sure that every server has its databases; what is there already stays as it is.
 * @param onChange is told after a server or a database was created or deleted.
 */
export async function createFleet(
  engine: SqlEngine,
  serverNames: readonly string[],
  databasesPerServer: number,
  onChange: () => void,
): Promise<Fleet> {
  for (const server of serverNames) {
    await engine.createServer(server);
    for (const database of databaseNames(databasesPerServer)) await engine.createDatabase(server, database);
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
