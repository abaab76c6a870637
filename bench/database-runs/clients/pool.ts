import sql from 'mssql';
import { login, serverName } from '../model';
import { type BuildOneDatabase, type ClientDeps } from './client';

/**
 * What most people write: a pool per database, one transaction, the scripts, a row in a table of what ran. It does less
 * than the product: no lock, and whether a script ran before is not looked up.
 */
export function createPoolClient({ port, certificateAuthority, pkg }: ClientDeps): BuildOneDatabase {
  const batches = pkg.scripts.flatMap((script) => script.batches.map((batch) => batch.text));
  const remember = `INSERT INTO dbo.Applied (Name) VALUES ${pkg.scripts.map(({ fileName }) => `(N'${fileName}')`).join(', ')};`;
  return async (index) => {
    const pool = new sql.ConnectionPool({
      server: '127.0.0.1',
      port,
      database: `tenant${index}`,
      user: login.user,
      password: login.password,
      pool: { max: 1 },
      options: { encrypt: true, serverName, cryptoCredentialsDetails: { ca: certificateAuthority } },
    });
    await pool.connect();
    const transaction = new sql.Transaction(pool);
    await transaction.begin();
    for (const text of [...batches, remember]) await new sql.Request(transaction).batch(text);
    await transaction.commit();
    await pool.close();
  };
}
