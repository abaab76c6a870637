import { readFileSync } from 'node:fs';
import { messageOf } from '../lib/platform/errors';
import { endpointsFile, type Endpoints } from './launcher/endpoints';
import { launchCloud } from './launcher/launch';
import { readLaunchOptions, usage } from './launcher/options';

/** `npm start`: the embedded cloud and the app, until Ctrl-C. */
async function main(): Promise<void> {
  const options = readLaunchOptions(process.argv.slice(2));
  if (options === 'help') {
    console.log(usage);
    return;
  }
  const cloud = await launchCloud(options);
  console.log(describe(cloud.endpoints, cloud.startMs, endpointsFile(options.state)));
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    console.log('\nStopping ...');
    void cloud.stop();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  endWithNpm(() => {
    stopping = true;
    cloud.process.kill('SIGKILL');
  });
  const code = await cloud.exited;
  process.exitCode = stopping ? 0 : (code ?? 1);
  if (!stopping) console.error('The embedded cloud ended by itself.');
}

const parentCheckMs = 300;

/**
 * A killed npm tells nobody, and the shell that it runs scripts in lives on. Without this the cloud would too, unseen, and
 * hold the ports against the next start.
 */
function endWithNpm(end: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const before = npmAbove();
  setInterval(() => {
    if (npmAbove() !== before) end();
  }, parentCheckMs).unref();
}

/** The process id of the npm that runs us: our parent, or the parent of the shell in between where that can be seen. */
function npmAbove(): number {
  try {
    const status = readFileSync(`/proc/${process.ppid}/status`, 'utf8');
    const isShell = /^Name:\t(?:ba|da|z)?sh$/m.test(status);
    return isShell ? Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]) : process.ppid;
  } catch {
    return process.ppid;
  }
}

function describe(endpoints: Endpoints, startMs: number, file: string): string {
  const databases = endpoints.sql.reduce((sum, server) => sum + server.databases.length, 0);
  const [firstServer] = endpoints.sql;
  const [database = 'tenant001'] = firstServer?.databases ?? [];
  return `
Sqlfleet runs on its embedded cloud (ready in ${(startMs / 1_000).toFixed(1)} s).

  HTTP API      ${endpoints.http.baseUrl}/api
  function key  ${endpoints.http.functionKey}
  master key    ${endpoints.http.masterKey}
  SQL           ${endpoints.sql.length} servers, ${databases} databases, user ${firstServer?.user ?? ''}, password ${firstServer?.password ?? ''}
${endpoints.sql.map(({ server, host, port }) => `                ${server} at ${host},${port}`).join('\n')}
  Service Bus   ${endpoints.serviceBus.connectionString}
  Cosmos DB     ${endpoints.cosmos.endpoint}
  certificates  ${endpoints.caFile}

All of it, for programs: ${file}

Try:
  curl -H "x-functions-key: ${endpoints.http.functionKey}" ${endpoints.http.baseUrl}/api/builds
  echo "${firstServer?.server ?? ''}:${database}" > one.cfg
  curl -H "x-functions-key: ${endpoints.http.functionKey}" -F package=@examples/webshop/001-customer.sql -F targets=@one.cfg ${endpoints.http.baseUrl}/api/builds

Ctrl-C stops it; what it holds stays in the state folder for the next start.`;
}

main().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exitCode = 1;
});
