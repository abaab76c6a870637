import { type SqlEngine } from '../sql/session';
import { databaseNames } from './server-names';

/** The embedded fleet as Azure Resource Manager and the launcher see it. */
export type Fleet = Awaited<ReturnType<typeof createFleet>>;

/** Makes sure that every server has its databases; what is there already stays as it is. */
export async function createFleet(engine: SqlEngine, serverNames: readonly string[], databasesPerServer: number) {
  for (const server of serverNames) {
    await engine.createServer(server);
    for (const database of databaseNames(databasesPerServer)) await engine.createDatabase(server, database);
  }
  return {
    listServers: async (): Promise<readonly string[]> => serverNames,
    listDatabases: async (server: string): Promise<string[]> =>
      (await engine.listDatabases(server)).filter((name) => name.toLowerCase() !== 'master'),
    createDatabase: (server: string, database: string): Promise<void> => engine.createDatabase(server, database),
    deleteDatabase: (server: string, database: string): Promise<void> => engine.dropDatabase(server, database),
  };
}
