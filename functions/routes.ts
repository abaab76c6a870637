import { app } from '@azure/functions';
import { durableClientInput } from '../lib/platform/durable';
import { type Route, routeHandler } from '../lib/platform/http';

/** Registers HTTP operations with the host. Every one may start or wake orchestrations. */
export function registerRoutes(routes: readonly Route[]): void {
  for (const route of routes) {
    app.http(route.operationId, {
      methods: [route.method],
      authLevel: route.authLevel ?? 'function',
      route: route.path,
      extraInputs: [durableClientInput],
      handler: routeHandler(route),
    });
  }
}
