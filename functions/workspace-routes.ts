import { type HttpRequest } from '@azure/functions';
import { z } from 'zod';
import { recordedSchema } from '../lib/platform/audit';
import { orchestrationsOf } from '../lib/platform/durable';
import { AppError } from '../lib/platform/errors';
import {
  continuationCodec,
  continuationsOf,
  oneOrMore,
  pagingQuery,
  parsed,
  queryOf,
  type Route,
} from '../lib/platform/http';
import { deploymentNotFound } from '../lib/workspaces/errors';
import { deploymentStates } from '../lib/workspaces/model';
import { planText } from '../lib/workspaces/plan-text';
import {
  type Deployment,
  deploymentOptionsSchema,
  deploymentRequestSchema,
  type DeploymentView,
  deploymentViewSchema,
  planSchema,
  workspaceViewSchema,
} from '../lib/workspaces/schema';
import { type WorkspaceServices } from '../lib/workspaces/services';
import { actionOf, apiUrlOf, pageOf, pageView, problem } from './answers';
import { readDeployment } from './workspace-submission';

const formSchema = z.object({
  assets: z.file().meta({
    description: 'A zip archive with the folders `init-scripts`, `clusters`, `notebooks` and `jobs`.',
  }),
  options: deploymentOptionsSchema,
});
const listQuery = z.strictObject({ state: oneOrMore(z.enum(deploymentStates)), ...pagingQuery });
const pageQuery = z.strictObject(pagingQuery);
const actorSchema = z.strictObject({
  actor: z.string().trim().min(1).max(256),
  reason: z.string().trim().min(1).max(1_000),
});
const planView = planSchema.extend({ hash: z.string() }).meta({ id: 'WorkspacePlan' });
const deploymentPath = 'workspaces/{name}/deployments/{deploymentId}';

/** The HTTP API of workspaces, as data. */
export function workspaceRoutes(services: () => WorkspaceServices): Route[] {
  /** Under the name that it was started with, so that a right to one workspace shows nothing of another. */
  const deploymentOf = async (request: HttpRequest): Promise<Deployment> => {
    const { name = '', deploymentId = '' } = request.params;
    const found = /^[\w-]{1,64}$/.test(deploymentId) ? await services().store.deployment(deploymentId) : null;
    if (found?.workspace.toLowerCase() !== name.toLowerCase()) throw deploymentNotFound(deploymentId);
    return found;
  };
  const planOf = async (request: HttpRequest) => {
    const { environments } = await deploymentOf(request);
    const { environment = '' } = request.params;
    const hash = environments.find(({ name }) => name.toLowerCase() === environment.toLowerCase())?.plan?.hash;
    if (hash === undefined) {
      throw new AppError('workspaces.planNotFound', 'The deployment has no plan for this environment (yet).', {
        status: 404,
      });
    }
    return { hash, plan: await services().store.readPlan(hash) };
  };

  return [
    {
      operationId: 'startWorkspaceDeployment',
      method: 'POST',
      path: 'workspaces/{name}/deployments',
      summary: 'Deploy assets to a Databricks workspace, one environment after the other.',
      body: { 'multipart/form-data': formSchema, 'application/json': deploymentRequestSchema },
      responses: {
        202: { description: 'Accepted.', body: deploymentViewSchema, headers: { Location: 'Status URL.' } },
        400: problem('The request cannot be taken apart.'),
        404: problem('The deployment whose archive is wanted does not exist.'),
        413: problem('The upload is too large; hand it over as a blob.'),
        415: problem('Neither a form nor JSON.'),
        422: problem('Options or assets have problems; all of them are listed, and nothing was started.'),
      },
      async handle(request, context) {
        const { submit, readUpload } = services();
        const submission = await readDeployment(request, request.params.name ?? '', readUpload);
        const view = deploymentView(await submit(submission, orchestrationsOf(context)), apiUrlOf(request));
        return { status: 202, headers: { location: view.links.self, 'retry-after': '5' }, jsonBody: view };
      },
    },
    {
      operationId: 'listWorkspaceDeployments',
      method: 'GET',
      path: 'workspaces/{name}/deployments',
      summary: 'Deployments of one workspace, newest first.',
      query: listQuery,
      responses: {
        200: { description: 'A page.', body: pageOf(deploymentViewSchema) },
        400: problem('Unusable query.'),
      },
      async handle(request) {
        const { state = [], pageSize, continuation } = parsed(listQuery, queryOf(request), 'query');
        const { name = '' } = request.params;
        const codec = continuationsOf(['deployments', name.toLowerCase(), state]);
        const page = await services().store.listDeployments({
          workspace: name,
          states: state,
          pageSize,
          continuation: codec.decode(continuation),
        });
        const items = page.items.map((deployment) => deploymentView(deployment, apiUrlOf(request)));
        return { jsonBody: { items, continuation: codec.encode(page.continuation) } };
      },
    },
    {
      operationId: 'getWorkspaceDeployment',
      method: 'GET',
      path: deploymentPath,
      summary: 'One deployment: how far it is in each environment, and why it ended.',
      responses: {
        200: { description: 'The deployment.', body: deploymentViewSchema },
        404: problem('There is no such deployment.'),
      },
      async handle(request) {
        return { jsonBody: deploymentView(await deploymentOf(request), apiUrlOf(request)) };
      },
    },
    {
      operationId: 'getWorkspacePlan',
      method: 'GET',
      path: `${deploymentPath}/plans/{environment}`,
      summary: 'The plan of one environment, exactly as it is approved and applied.',
      responses: {
        200: { description: 'The plan, with its hash.', body: planView },
        404: problem('There is no such deployment, or no plan yet.'),
      },
      async handle(request) {
        const { hash, plan } = await planOf(request);
        return { jsonBody: { ...plan, hash } };
      },
    },
    {
      operationId: 'getWorkspacePlanText',
      method: 'GET',
      path: `${deploymentPath}/plans/{environment}/text`,
      summary: 'The same plan as text for people.',
      responses: {
        200: { description: 'The text.', body: z.string(), mediaType: 'text/plain' },
        404: problem('There is no such deployment, or no plan yet.'),
      },
      async handle(request) {
        const { hash, plan } = await planOf(request);
        return { headers: { 'content-type': 'text/plain; charset=utf-8' }, body: planText(plan, hash) };
      },
    },
    {
      operationId: 'cancelWorkspaceDeployment',
      method: 'POST',
      path: `${deploymentPath}/cancel`,
      summary: 'End a deployment before its next step. What was applied stays.',
      body: { 'application/json': actorSchema },
      responses: {
        202: { description: 'Noted; the deployment follows.', body: deploymentViewSchema },
        400: problem('Actor or reason is missing.'),
        404: problem('There is no such deployment.'),
        409: problem('It has ended already.'),
      },
      async handle(request, context) {
        const by = await actionOf(request, actorSchema);
        const { deploymentId } = await deploymentOf(request);
        const deployment = await services().cancel(deploymentId, by, orchestrationsOf(context));
        return { status: 202, jsonBody: deploymentView(deployment, apiUrlOf(request)) };
      },
    },
    {
      operationId: 'getWorkspace',
      method: 'GET',
      path: 'workspaces/{name}',
      summary: 'What was applied last in each environment, and what has drifted since.',
      query: pageQuery,
      responses: {
        200: { description: 'A page of environments.', body: pageOf(workspaceViewSchema) },
        400: problem('Unusable query.'),
      },
      async handle(request) {
        const { pageSize, continuation } = parsed(pageQuery, queryOf(request), 'query');
        const page = await services().store.listStates({
          workspace: request.params.name?.toLowerCase() ?? '',
          pageSize,
          continuation: continuationCodec.decode(continuation),
        });
        return { jsonBody: pageView(page, (state) => workspaceViewSchema.parse(state)) };
      },
    },
    {
      operationId: 'checkWorkspaceDrift',
      method: 'POST',
      path: 'workspaces/{name}/environments/{environment}/check',
      summary: 'Compare the workspace now with what was applied last. Changes nothing there.',
      responses: {
        200: { description: 'The comparison.', body: workspaceViewSchema },
        404: problem('Nothing was deployed there yet.'),
      },
      async handle(request) {
        const { name = '', environment = '' } = request.params;
        await services().drift.checkOne(name, environment);
        const state = await services().store.state(name, environment);
        if (state === null) {
          throw new AppError(
            'workspaces.notDeployed',
            'Nothing was deployed to this workspace in this environment yet.',
            {
              status: 404,
            },
          );
        }
        return { jsonBody: workspaceViewSchema.parse(state.value) };
      },
    },
    {
      operationId: 'listWorkspaceAudit',
      method: 'GET',
      path: 'workspaces/{name}/audit',
      summary: 'Who did what to the workspace, when and why; oldest first.',
      query: pageQuery,
      responses: { 200: { description: 'A page.', body: pageOf(recordedSchema) }, 400: problem('Unusable query.') },
      async handle(request) {
        const { pageSize, continuation } = parsed(pageQuery, queryOf(request), 'query');
        const subject = `workspaces/${request.params.name?.toLowerCase() ?? ''}`;
        const options = { pageSize, continuation: continuationCodec.decode(continuation) };
        return { jsonBody: pageView(await services().audit.list(subject, options), (entry) => entry) };
      },
    },
  ];
}

function deploymentView({ id: _, deploymentId, ...deployment }: Deployment, apiUrl: string): DeploymentView {
  const self = `${apiUrl}/workspaces/${deployment.workspace}/deployments/${deploymentId}`;
  const plans = deployment.environments
    .filter(({ plan }) => plan !== null)
    .map(({ name }) => [name, `${self}/plans/${name}`] as const);
  return { ...deployment, id: deploymentId, links: { self, plans: Object.fromEntries(plans) } };
}
