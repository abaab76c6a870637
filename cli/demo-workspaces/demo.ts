import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type LooseFile, zipFiles } from '../../lib/packages/pack-folder';
import { type DeploymentView, deploymentViewSchema } from '../../lib/workspaces/schema';
import { type Endpoints } from '../../local/launcher/endpoints';
import { type DemoAzure, region, resourceGroup, subscriptionId } from './azure';

export interface WorkspacesDemoDeps {
  endpoints: Endpoints;
  azure: DemoAzure;
  write: (text: string) => void;
  /** The example's assets by their path. */
  readAssets: () => LooseFile[];
}

const environments = ['Dev', 'PreProd', 'Prod'];
const name = 'sales';
const lookEveryMs = 200;
const patienceMs = 180_000;

/** Deployments to three environments, each with its own vault and its own say, and the workspaces' contents after each. */
export function createWorkspacesDemo({ endpoints, azure, write, readAssets }: WorkspacesDemoDeps) {
  const say = (text = ''): void => write(`${text}\n`);
  const call = async (method: string, path: string, body?: FormData | object): Promise<string> => {
    const isForm = body instanceof FormData;
    const response = await fetch(`${endpoints.http.baseUrl}/api/${path}`, {
      method,
      headers: {
        'x-functions-key': endpoints.http.functionKey,
        ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return text;
  };
  const json = async <T>(method: string, path: string, schema: z.ZodType<T>, body?: FormData | object): Promise<T> =>
    schema.parse(JSON.parse(await call(method, path, body)));

  const start = async (assets: readonly LooseFile[], description: string): Promise<DeploymentView> => {
    const form = new FormData();
    form.append('assets', new Blob([await zipFiles(assets)]), 'assets.zip');
    form.append('options', JSON.stringify({ environments, requestedBy: 'ann', description }));
    return json('POST', `workspaces/${name}/deployments`, deploymentViewSchema, form);
  };
  const read = (id: string): Promise<DeploymentView> =>
    json('GET', `workspaces/${name}/deployments/${id}`, deploymentViewSchema);
  /** Follows a deployment to its end; `decide` is asked once for every environment that waits for somebody's word. */
  const follow = async (
    { id }: DeploymentView,
    decide: (environment: string) => 'approve' | 'reject' = unasked,
  ): Promise<DeploymentView> => {
    const decided = new Set<string>();
    const deadlineMs = Date.now() + patienceMs;
    for (;;) {
      const deployment = await read(id);
      if (deployment.state !== 'running') return deployment;
      if (Date.now() > deadlineMs) throw new Error(`the deployment does not end: ${JSON.stringify(deployment)}`);
      const asked = deployment.environments.find(
        ({ state, approvalId }) => state === 'awaitingApproval' && approvalId !== null && !decided.has(approvalId),
      );
      if (asked?.approvalId) {
        decided.add(asked.approvalId);
        const text = await call('GET', `workspaces/${name}/deployments/${id}/plans/${asked.name}/text`);
        const decision = decide(asked.name);
        say(`   ${asked.name}: ${text.split('\n')[2]}; bob says: ${decision}.`);
        const said = { decision, actor: 'bob', reason: `${decision}: the plan was looked at`, hash: asked.plan?.hash };
        await call('POST', `approvals/${asked.approvalId}`, said);
      }
      await delay(lookEveryMs);
    }
  };
  const expect = (what: string, actual: unknown, expected: unknown): void => {
    if (JSON.stringify(actual) !== JSON.stringify(expected)) {
      throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
    }
  };
  const states = (deployment: DeploymentView): string[] => deployment.environments.map(({ state }) => state);
  const holds = async (environment: string, file: string): Promise<boolean> =>
    (await azure.contents(`${name}-${environment}`)).files.includes(`/Shared/${name}/${file}`);

  return {
    async run(): Promise<void> {
      say('\n1. Three environments, each with a workspace and a Key Vault of its own; ann deploys, bob approves:');
      for (const environment of environments) {
        await azure.createWorkspace(`${name}-${environment}`);
        await call('PUT', `environments/${environment}`, {
          ...{ subscriptionId, resourceGroup, region },
          keyVault: { name: `kv-${name}-${environment.toLowerCase()}` },
          approval: { approvers: ['bob'], timeoutMinutes: 60 },
        });
      }
      const prepared = await follow(await start(readAssets(), 'the first time'));
      expect('states', states(prepared), ['initialized', 'initialized', 'initialized']);
      say('   There were no vaults yet, so they were created with placeholder secrets. Their owners fill them in.');
      for (const environment of environments) {
        await azure.fillVault(`kv-${name}-${environment.toLowerCase()}`, {
          'databricks-dev-ops-subscription-id': subscriptionId,
          'databricks-dev-ops-tenant-id': endpoints.deployer.tenantId,
          'databricks-dev-ops-client-id': endpoints.deployer.clientId,
          'databricks-dev-ops-client-secret': endpoints.deployer.clientSecret,
        });
      }

      say('\n2. An init script, a cluster, three notebooks and a job, to Dev, PreProd and Prod, each approved:');
      const first = await follow(await start(readAssets(), 'release 1'), () => 'approve');
      expect('states', states(first), ['succeeded', 'succeeded', 'succeeded']);
      for (const environment of environments) {
        const { clusters, jobs, files } = await azure.contents(`${name}-${environment}`);
        expect(`clusters of ${environment}`, clusters, ['sales-etl']);
        expect(`jobs of ${environment}`, jobs, ['sales-nightly']);
        say(
          `   ${name}-${environment} holds cluster ${clusters.join()}, job ${jobs.join()}, ${files.length - 1} files and our marker.`,
        );
      }

      say('\n3. The same archive again. Nothing differs, so nobody is asked and nothing is touched:');
      const before = await writes(endpoints);
      const second = await follow(await start(readAssets(), 'release 1 again'));
      expect('states', states(second), ['unchanged', 'unchanged', 'unchanged']);
      expect('calls that change something', (await writes(endpoints)) - before, 0);
      say(`   ${states(second).join(', ')}; calls that change something: 0.`);

      say('\n4. A changed job and a removed notebook; bob lets it into Dev and PreProd, and not into Prod:');
      const changed = readAssets()
        .filter(({ name: path }) => !path.endsWith('returns.sql'))
        .map((file) =>
          file.name === 'jobs/nightly.json'
            ? { ...file, bytes: Buffer.from(file.bytes.toString().replace('0 0 2 * * ?', '0 30 4 * * ?')) }
            : file,
        );
      const third = await follow(await start(changed, 'release 2'), (environment) =>
        environment === 'Prod' ? 'reject' : 'approve',
      );
      expect('states', states(third), ['succeeded', 'succeeded', 'rejected']);
      const plan = await call('GET', `workspaces/${name}/deployments/${third.id}/plans/Dev/text`);
      for (const line of plan.split('\n').filter((each) => /^[~+-]|→/.test(each))) say(`     ${line.trimEnd()}`);
      const returns = await Promise.all(environments.map((each) => holds(each, 'notebooks/reports/returns')));
      expect('workspaces with the removed notebook', returns, [false, false, true]);
      say(
        `   The removed notebook is gone from Dev and PreProd; Prod is as it was: ${third.environments[2]?.failure?.message}`,
      );

      say('\n5. Drift: what was applied last against what is there:');
      for (const environment of environments) {
        const path = `workspaces/${name}/environments/${environment}/check`;
        const { drift } = await json('POST', path, driftSchema);
        expect(`${environment} in sync`, drift.inSync, true);
      }
      say('   Dev, PreProd and Prod are each as they were left.');
    },
  };
}

const driftSchema = z.object({ drift: z.object({ inSync: z.boolean() }) });

function unasked(environment: string): never {
  throw new Error(`somebody was asked about ${environment}, where there is nothing to decide`);
}

async function writes(endpoints: Endpoints): Promise<number> {
  const schema = z.object({ databricks: z.object({ requests: z.record(z.string(), z.number()) }) });
  const { databricks } = schema.parse(await (await fetch(`${endpoints.control.url}/counters`)).json());
  return Object.entries(databricks.requests)
    .filter(([operation]) => !/\/(?:list|get|get-status|export)$/.test(operation))
    .reduce((sum, [, times]) => sum + times, 0);
}
