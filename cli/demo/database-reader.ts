import { readFileSync } from 'node:fs';
import sql from 'mssql';
import { type Endpoints } from '../../local/launcher/endpoints';

export interface Proof {
  database: string;
  customers: number;
  journal: string[];
}

/** Looks into the databases with a client of its own, as somebody would who does not believe the tool. */
export function createDatabaseReader(endpoints: Endpoints) {
  const certificateAuthority = readFileSync(endpoints.caFile, 'utf8');

  const within = async <T>(
    server: string,
    database: string,
    use: (pool: sql.ConnectionPool) => Promise<T>,
  ): Promise<T> => {
    const endpoint = endpoints.sql.find((each) => each.server === server);
    if (endpoint === undefined) throw new Error(`there is no server ${server}`);
    const pool = new sql.ConnectionPool({
      server: 'localhost',
      port: endpoint.port,
      database,
      user: endpoint.user,
      password: endpoint.password,
      pool: { max: 1 },
      options: { encrypt: true, cryptoCredentialsDetails: { ca: certificateAuthority } },
    });
    await pool.connect();
    try {
      return await use(pool);
    } finally {
      await pool.close();
    }
  };

  return {
    proof: (server: string, database: string): Promise<Proof> =>
      within(server, database, async (pool) => {
        const customers = await pool.request().query<{ n: number }>('SELECT COUNT(*) AS n FROM dbo.Customer');
        const journal = await pool
          .request()
          .query<{ BuildId: string; ScriptFileName: string; State: string }>(
            'SELECT BuildId, ScriptFileName, State FROM dbo.Sqlfleet_Journal ORDER BY Sequence',
          );
        return {
          database,
          customers: customers.recordset[0]?.n ?? 0,
          journal: journal.recordset.map(
            ({ BuildId, ScriptFileName, State }) => `${BuildId}  ${State}  ${ScriptFileName}`,
          ),
        };
      }),

    rows: (target: { server: string; database: string }, table: string): Promise<number> =>
      within(target.server, target.database, async (pool) => {
        const result = await pool.request().query<{ n: number }>(`SELECT COUNT(*) AS n FROM dbo.${table}`);
        return result.recordset[0]?.n ?? 0;
      }),

    hasColumn: async (target: { server: string; database: string }, table: string, column: string): Promise<boolean> =>
      within(target.server, target.database, async (pool) => {
        const result = await pool
          .request()
          .query<{ n: number | null }>(`SELECT COL_LENGTH(N'dbo.${table}', N'${column}') AS n`);
        return (result.recordset[0]?.n ?? null) !== null;
      }),

    /** In how many databases something holds. */
    async count(holds: (target: { server: string; database: string }) => Promise<boolean>): Promise<number> {
      let count = 0;
      for (const { server, databases } of endpoints.sql) {
        for (const database of databases) if (await holds({ server, database })) count += 1;
      }
      return count;
    },

    duplicateCustomer: (server: string, database: string): Promise<void> =>
      within(server, database, async (pool) => {
        await pool
          .request()
          .query("INSERT INTO dbo.Customer (Email, FullName) VALUES (N'ada@example.com', N'Ada again')");
      }),

    removeDuplicateCustomer: (server: string, database: string): Promise<void> =>
      within(server, database, async (pool) => {
        await pool.request().query("DELETE FROM dbo.Customer WHERE FullName = N'Ada again'");
      }),
  };
}
