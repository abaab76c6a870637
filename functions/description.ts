import { app } from '@azure/functions';
import { type Route } from '../lib/platform/http';
import { approvalRoutes } from './approvals';
import { auditRoutes } from './audit-routes';
import { buildRoutes } from './build-routes';
import { eventRoutes } from './event-routes';
import { buildClusterRoute } from './build-cluster-route';
import { capacityRoutes } from './capacity-routes';
import { databaseRoutes } from './database-routes';
import { clusterKeyRoutes } from './cluster-key-routes';
import { clusterRoutes } from './cluster-routes';
import { openApiDocument } from './openapi';
import { packageRoutes } from './packages';
import { environmentRoutes } from './environment-routes';
import { serverRoutes } from './server-routes';
import { workerRoutes } from './worker-routes';
import { workspaceRoutes } from './workspace-routes';

/** Changes with the API, not with the code behind it. */
const apiVersion = '1.0.0';

/** Every HTTP operation of the app. The services are not called here, only described. */
export function allRoutes(): Route[] {
  const undescribed = (): never => {
    throw new Error('these routes are for description only');
  };
  return [
    ...buildRoutes(undescribed),
    ...packageRoutes,
    ...approvalRoutes(undescribed),
    ...eventRoutes(undescribed),
    ...clusterRoutes(undescribed),
    ...clusterKeyRoutes(undescribed),
    buildClusterRoute(undescribed, undescribed),
    ...workerRoutes(undescribed, undescribed),
    ...auditRoutes(undescribed, undescribed),
    ...serverRoutes(undescribed),
    ...capacityRoutes(undescribed),
    ...databaseRoutes(undescribed),
    ...environmentRoutes(undescribed),
    ...workspaceRoutes(undescribed),
  ];
}

/** The OpenAPI document as text, as it is committed and served. */
export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(allRoutes(), apiVersion), null, 2)}\n`;
}

/** The app describes itself: its OpenAPI document, and whether it is there at all. */
export function registerDescription(): void {
  app.http('getOpenApi', {
    methods: ['GET'],
    authLevel: 'function',
    route: 'openapi.json',
    handler: () => ({ headers: { 'content-type': 'application/json' }, body: openApiText() }),
  });
  app.http('getHealth', {
    methods: ['GET'],
    authLevel: 'anonymous',
    route: 'health',
    handler: () => ({ jsonBody: { status: 'ok' } }),
  });
}
