import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** How any client reaches each part of the embedded cloud. Written to `endpoints.json` in the state folder. */
export const endpointsSchema = z.object({
  http: z.object({ baseUrl: z.string(), functionKey: z.string(), masterKey: z.string() }),
  sql: z.array(
    z.object({
      server: z.string(),
      host: z.string(),
      port: z.number(),
      user: z.string(),
      password: z.string(),
      databases: z.array(z.string()),
    }),
  ),
  serviceBus: z.object({ connectionString: z.string() }),
  eventHubs: z.object({ connectionString: z.string() }),
  cosmos: z.object({ endpoint: z.string(), key: z.string() }),
  blob: z.object({ connectionString: z.string() }),
  keyVault: z.object({ url: z.string() }),
  arm: z.object({ endpoint: z.string() }),
  identity: z.object({ endpoint: z.string(), header: z.string() }),
  databricks: z.object({ url: z.string() }),
  /** A service principal for whoever fills in the Key Vault of an environment. */
  deployer: z.object({ tenantId: z.string(), clientId: z.string(), clientSecret: z.string() }),
  /** `url`: for whoever plays Azure, with `key`. `webhookKey`: what deliveries to the app show. */
  eventGrid: z.object({ url: z.string(), topicEndpoint: z.string(), key: z.string(), webhookKey: z.string() }),
  control: z.object({ url: z.string() }),
  caFile: z.string(),
});
export type Endpoints = z.infer<typeof endpointsSchema>;

export function endpointsFile(stateFolder: string): string {
  return join(stateFolder, 'endpoints.json');
}

/** Replaced as a whole: a reader sees the old one or the new one. */
export function writeEndpoints(stateFolder: string, endpoints: Endpoints): void {
  const file = endpointsFile(stateFolder);
  writeFileSync(`${file}.new`, `${JSON.stringify(endpoints, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
