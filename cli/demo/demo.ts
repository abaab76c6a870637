import { setTimeout as delay } from 'node:timers/promises';
import { type BuildView } from '../../lib/builds/view';
import { type Endpoints } from '../../local/launcher/endpoints';
import { type ApiClient, type UploadedFile } from '../api-client';
import { createDatabaseReader } from './database-reader';
import { createProgressBar, type Output } from './progress-bar';

export interface DemoDeps {
  api: ApiClient;
  endpoints: Endpoints;
  output: Output;
  nowMs: () => number;
  readPackage(name: string): UploadedFile[];
}

const lookEveryMs = 150;
const endedStates = new Set<BuildView['state']>(['succeeded', 'finishedWithFailures', 'cancelled', 'failed']);
/** Databases in which two customers get the same address, so that a unique index fails there and only there. */
const spoiledPerServer = 2;
const by = { actor: 'demo', reason: 'the duplicate customers were removed' };

/** What makes the tool worth having, shown on a small fleet: four builds, and the state of the databases after each. */
export function createDemo(deps: DemoDeps) {
  const { api, endpoints, output } = deps;
  const databases = createDatabaseReader(endpoints);
  const say = (text = ''): void => output.write(`${text}\n`);
  const targets = endpoints.sql.flatMap(({ server, databases: names }) => names.map((name) => `${server}:${name}`));
  const targetFile = `${targets.join('\n')}\n`;

  const follow = async (build: BuildView): Promise<BuildView> => {
    const bar = createProgressBar(output, deps.nowMs);
    for (;;) {
      const current = await api.getBuild(build.id);
      if (endedStates.has(current.state) && current.run >= build.run) {
        bar.finish(current);
        return current;
      }
      // A retry is prepared first; until then the counts are still those before it.
      if (current.state !== 'validating') bar.show(current);
      await delay(lookEveryMs);
    }
  };
  const build = async (packageName: string, options: object): Promise<BuildView> =>
    follow(await api.startBuild(deps.readPackage(packageName), targetFile, { concurrencyLimit: 8, ...options }));
  const expect = (what: string, actual: number, expected: number): void => {
    if (actual !== expected) throw new Error(`${what}: ${actual} instead of ${expected}`);
  };

  return {
    async run(cloudStartMs: number): Promise<void> {
      const fleetSize = targets.length;
      say(`Ready in ${(cloudStartMs / 1_000).toFixed(1)} s: ${endpoints.sql.length} servers, ${fleetSize} databases.`);

      say('\n1. A package of three scripts, built in every database over HTTP:');
      const first = await build('webshop', { name: 'webshop' });
      expect('committed', first.counts.committed, fleetSize);
      say(summary(first));
      const [server] = endpoints.sql;
      const proof = await databases.proof(server?.server ?? '', server?.databases[0] ?? '');
      say(`   Proof, ${proof.database}: ${proof.customers} customers in dbo.Customer; journal:`);
      for (const row of proof.journal) say(`     ${row}`);

      say('\n2. The same package once more. Its scripts run once, so nothing is applied:');
      const second = await build('webshop', { name: 'webshop again' });
      expect('already applied', second.counts.alreadyApplied, fleetSize);
      say(summary(second));

      say('\n3. A package whose second script is wrong. The first one succeeds, and must leave no trace:');
      const broken = await build('webshop-broken', { name: 'broken' });
      expect('rolled back', broken.counts.rolledBack, fleetSize);
      say(summary(broken));
      await explain(broken);
      const changed = await databases.count((name) => databases.hasColumn(name, 'Customer', 'LoyaltyPoints'));
      expect('databases with a trace of the first script', changed, 0);
      say(`   Databases with a trace of it: ${changed} of ${fleetSize}.`);

      say('\n4. A unique index, and some databases whose data forbid it:');
      const spoiled = endpoints.sql.flatMap((each) =>
        each.databases.slice(0, spoiledPerServer).map((name) => ({ ...each, name })),
      );
      for (const each of spoiled) await databases.duplicateCustomer(each.server, each.name);
      const unique = await build('webshop-unique-email', { name: 'unique email' });
      expect('rolled back', unique.counts.rolledBack, spoiled.length);
      say(summary(unique));
      await explain(unique);
      say('   The data are repaired; only the failed targets are built again:');
      for (const each of spoiled) await databases.removeDuplicateCustomer(each.server, each.name);
      const retried = await follow(await api.control(unique.id, 'retry-failed', by.actor, by.reason));
      expect('committed', retried.counts.committed, fleetSize);
      const second2 = (await api.outcomes(unique.id, '?pageSize=1000')).items.filter(({ attempt }) => attempt === 2);
      expect('targets of the second attempt', second2.length, spoiled.length);
      say(summary(retried));
      say(
        `   Built again: ${second2.map(({ databases: names }) => names.join('+')).join(', ')}; the others were left alone.`,
      );
    },
  };

  async function explain(failed: BuildView): Promise<void> {
    const { errors = [] } = await api.outcomes(failed.id, '?pageSize=1');
    for (const { number, script, targets: count, message } of errors) {
      say(`   ${count} × error ${number ?? '–'} in ${script ?? '–'}: ${message.split('\n')[0]}`);
    }
  }
}

function summary(build: BuildView): string {
  const outcomes = Object.entries(build.counts)
    .filter(([, count]) => count > 0)
    .map(([status, count]) => `${status} ${count}`)
    .join(', ');
  return `   ${build.state}: ${outcomes}. Logs: ${build.links.logs}/summary.json`;
}
