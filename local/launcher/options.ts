import { parseArgs } from 'node:util';
import { z } from 'zod';
import { checkInput } from '../../lib/platform/schema-problems';

/** Ports of the embedded cloud; 0 picks a free one. Defaults are those of the official emulators where there are any. */
const port = z.coerce.number().int().min(0).max(65_535);

export const launchOptionsSchema = z.strictObject({
  /** Where everything is kept. */
  state: z.string().default('.sqlfleet'),
  /** Begin with an empty state folder. */
  fresh: z.boolean().default(false),
  'http-port': port.default(7071),
  'messaging-port': port.default(5672),
  'cosmos-port': port.default(8081),
  'blob-port': port.default(10_000),
  'key-vault-port': port.default(8443),
  'arm-port': port.default(8444),
  'identity-port': port.default(8445),
  'databricks-port': port.default(8447),
  'event-grid-port': port.default(8446),
  /** Of the first logical server; the others follow. */
  'sql-port': port.default(14_330),
  /** All logical servers at one port, as in Azure; those that are created later only there. */
  'sql-gateway-port': port.default(14_329),
  /** All ports free ones; on the command line, all but those that are named. */
  'free-ports': z.boolean().default(false),
  servers: z.coerce.number().int().min(1).max(20).default(2),
  databases: z.coerce.number().int().min(0).max(5_000).default(20),
  verbose: z.boolean().default(false),
});
export type LaunchOptions = z.infer<typeof launchOptionsSchema>;

export const usage = `Usage: npm start -- [options]

Starts the embedded cloud and the app on it, until Ctrl-C.

  --fresh                 begin with an empty state folder
  --state FOLDER          where everything is kept (default .sqlfleet)
  --servers N             logical SQL servers (default 2)
  --databases N           databases on each of them (default 20)
  --free-ports            pick free ports for everything whose port is not named
  --http-port N           the app's HTTP API (default 7071)
  --sql-port N            the first SQL server; the others follow (default 14330)
  --sql-gateway-port N    all SQL servers, created ones too, at one port (default 14329)
  --messaging-port N      Service Bus and Event Hubs (default 5672)
  --cosmos-port N         Cosmos DB (default 8081)
  --blob-port N           Blob Storage (default 10000)
  --key-vault-port N      Key Vault (default 8443)
  --arm-port N            Azure Resource Manager (default 8444)
  --identity-port N       managed identity (default 8445)
  --databricks-port N     Databricks (default 8447)
  --event-grid-port N     Event Grid (default 8446)
  --verbose               show the log of every invocation
  --help                  this text
`;

const everyPortFree = Object.fromEntries(
  Object.keys(launchOptionsSchema.shape)
    .filter((name) => name.endsWith('-port'))
    .map((name) => [name, '0']),
);

/** @throws Error with one line per option that is unknown or unusable. */
export function readLaunchOptions(args: readonly string[]): LaunchOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    allowPositionals: false,
    options: {
      help: { type: 'boolean', short: 'h' },
      ...Object.fromEntries(
        Object.keys(launchOptionsSchema.shape).map((name) => [
          name,
          { type: ['fresh', 'free-ports', 'verbose'].includes(name) ? ('boolean' as const) : ('string' as const) },
        ]),
      ),
    },
  });
  if (values.help === true) return 'help';
  const chosen = 'free-ports' in values ? { ...everyPortFree, ...values, 'free-ports': false } : values;
  const result = checkInput(launchOptionsSchema, chosen, 'options.invalid', '');
  if (result.success) return result.data;
  const problems = result.problems.map(({ entry, message }) => `--${entry} ${message}`);
  throw new Error(`${problems.join('\n')}\n\n${usage}`);
}
