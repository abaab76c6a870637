import { z } from 'zod';
import { jsonBody, jsonResponse } from '../network/http-service';
import { unsupported } from '../network/service-error';
import { databaseNames } from './databases';
import { type ArmRoute } from './router';
import { type ArmWorld, requireSubscription, serverType } from './world';

const requestSchema = z.object({
  subscriptions: z.array(z.string()),
  query: z.string(),
  options: z.object({ $top: z.int().default(1_000), $skipToken: z.string().optional() }).prefault({}),
});

/** Resource Graph, as far as it is asked: databases per server. It does not lag here. Any other query is refused. */
export function resourceGraphRoutes(world: ArmWorld): ArmRoute[] {
  return [
    {
      name: 'queryResources',
      method: 'POST',
      path: '/providers/Microsoft.ResourceGraph/resources',
      async handle(_parameters, request) {
        const { subscriptions, query, options } = requestSchema.parse(jsonBody(request));
        subscriptions.forEach((subscription) => requireSubscription(world, { subscription }));
        const counting = /servers\/databases/i.test(query) && /summarize databases = count\(\) by server/i.test(query);
        if (!counting) throw unsupported(`the Resource Graph query ${query}`);
        const rows: { server: string; databases: number }[] = [];
        for (const server of world.state.ofType(serverType)) {
          const databases = (await databaseNames(world, server)).length - 1;
          if (databases > 0) rows.push({ server: server.name.toLowerCase(), databases });
        }
        rows.sort((a, b) => a.server.localeCompare(b.server, 'en'));
        const start = Number(options.$skipToken ?? 0);
        const data = rows.slice(start, start + options.$top);
        const end = start + data.length;
        return jsonResponse(200, {
          totalRecords: rows.length,
          count: data.length,
          data,
          resultTruncated: 'false',
          ...(end < rows.length ? { $skipToken: String(end) } : {}),
        });
      },
    },
  ];
}
