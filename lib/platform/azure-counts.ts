import { type TokenCredential } from '@azure/identity';
import { z } from 'zod';
import { azureError } from './azure-errors';
import { endless } from './azure-patience';
import { type Clock } from './clock';
import { AppError, isTransient } from './errors';
import { withRetry } from './retry';

/** Counts of databases over a whole subscription, from Azure Resource Graph. */
export interface AzureCounts {
  /**
   * Databases per server (lower case), without `master`. A server without one may not be in it, and what happened within the
   * last minutes may not either. One request for every thousand servers, however many databases they have.
   */
  databasesPerServer(): Promise<Map<string, number>>;
}

const query = `resources
| where type =~ 'microsoft.sql/servers/databases' and name !~ 'master'
| extend server = tolower(tostring(split(id, '/')[8]))
| summarize databases = count() by server
| order by server asc`;

const pageSchema = z.object({
  data: z.array(z.object({ server: z.string(), databases: z.number() })),
  $skipToken: z.string().optional(),
  /** `true` without a token: there is more, and it cannot be had. */
  resultTruncated: z.string().optional(),
});
const pageSize = 1_000;
const timeoutMs = 30_000;
const policy = { attempts: 3, firstDelayMs: 500, maximumDelayMs: 5_000 };

/** Resource Graph has no client among our libraries; it is one POST, to which the token is added by hand. */
export function createAzureCounts(deps: {
  credential: TokenCredential;
  subscriptionId: string;
  endpoint?: string;
  fetch: (
    url: string,
    init: { method: string; headers: Record<string, string>; body: string; signal: AbortSignal },
  ) => Promise<{
    status: number;
    text(): Promise<string>;
  }>;
  clock: Clock;
  random: () => number;
}): AzureCounts {
  const endpoint = deps.endpoint ?? 'https://management.azure.com';
  const doing = 'count the databases';
  const page = async (skipToken: string | undefined): Promise<z.infer<typeof pageSchema>> => {
    const token = await deps.credential.getToken(`${endpoint}/.default`);
    const options = { $top: pageSize, resultFormat: 'objectArray', ...(skipToken ? { $skipToken: skipToken } : {}) };
    const response = await deps
      .fetch(`${endpoint}/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token?.token ?? ''}` },
        body: JSON.stringify({ subscriptions: [deps.subscriptionId], query, options }),
        signal: AbortSignal.timeout(timeoutMs),
      })
      .catch((cause: unknown) => {
        throw new AppError('azure.transient', 'Azure Resource Graph could not be reached.', {
          status: 503,
          retry: { kind: 'backoff' },
          cause,
        });
      });
    const text = await response.text();
    if (response.status >= 300) {
      throw azureError(Object.assign(new Error(text.slice(0, 500)), { statusCode: response.status }), doing);
    }
    return pageSchema.parse(JSON.parse(text));
  };
  return {
    async databasesPerServer() {
      const counts = new Map<string, number>();
      let skipToken: string | undefined;
      do {
        const current = skipToken;
        const answer = await withRetry(() => page(current), policy, isTransient, deps);
        for (const { server, databases } of answer.data) counts.set(server, databases);
        skipToken = answer.$skipToken;
        if (skipToken !== undefined && skipToken === current) throw endless();
        if (skipToken === undefined && answer.resultTruncated === 'true') throw incomplete();
      } while (skipToken !== undefined);
      return counts;
    },
  };
}

function incomplete(): AppError {
  return new AppError('azure.transient', 'Azure Resource Graph answered with a part of the counts only.', {
    status: 503,
    retry: { kind: 'backoff' },
  });
}
