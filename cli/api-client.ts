import { z } from 'zod';
import { type BuildView, buildViewSchema, outcomeViewSchema } from '../lib/builds/view';
import { errorGroupSchema } from '../lib/builds/store';

/** What a client of the HTTP API needs: how to reach it. */
export interface ApiEndpoint {
  baseUrl: string;
  functionKey: string;
}

export interface UploadedFile {
  name: string;
  bytes: Buffer | string;
}

const outcomesPageSchema = z.object({
  items: z.array(outcomeViewSchema),
  continuation: z.string().nullable(),
  errors: z.array(errorGroupSchema).optional(),
});

/** Typed calls of the HTTP API. Any answer other than success is an Error with the problem's text. */
export function createApiClient({ baseUrl, functionKey }: ApiEndpoint) {
  const call = async <T>(path: string, schema: z.ZodType<T>, init: RequestInit = {}): Promise<T> => {
    const headers = { 'x-functions-key': functionKey, ...init.headers };
    const response = await fetch(`${baseUrl}/api/${path}`, { ...init, headers });
    const text = await response.text();
    if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${path} answered ${response.status}: ${text}`);
    return schema.parse(JSON.parse(text));
  };
  return {
    startBuild(packageFiles: readonly UploadedFile[], targets: string, options: object): Promise<BuildView> {
      const form = new FormData();
      for (const { name, bytes } of packageFiles) form.append('package', new Blob([bytes]), name);
      form.append('targets', new Blob([targets]), 'targets.cfg');
      form.append('options', JSON.stringify(options));
      return call('builds', buildViewSchema, { method: 'POST', body: form });
    },
    getBuild: (id: string) => call(`builds/${id}`, buildViewSchema),
    outcomes: (id: string, query = '') => call(`builds/${id}/outcomes${query}`, outcomesPageSchema),
    control: (id: string, action: 'cancel' | 'pause' | 'resume' | 'retry-failed', actor: string, reason: string) =>
      call(`builds/${id}/${action}`, buildViewSchema, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ actor, reason }),
      }),
    async log(id: string, name: string): Promise<string> {
      const response = await fetch(`${baseUrl}/api/builds/${id}/logs/${name}`, {
        headers: { 'x-functions-key': functionKey },
      });
      if (!response.ok) throw new Error(`the log ${name} answered ${response.status}`);
      return response.text();
    },
  };
}
export type ApiClient = ReturnType<typeof createApiClient>;
