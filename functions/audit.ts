import { type ClusterServices } from '../lib/clusters/services';
import { auditRoutes } from './audit-routes';
import { registerRoutes } from './routes';

/** The audit log as a whole; its admins are those of build clusters. */
export function registerAudit(services: () => ClusterServices): void {
  registerRoutes(
    auditRoutes(
      () => services().audit,
      () => services().admins,
    ),
  );
}
