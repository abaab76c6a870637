import { z } from 'zod';
import { type DatabricksHttp } from './databricks-http';
import { nextOf } from './databricks-lists';
import { AppError } from './errors';

type JsonObject = Record<string, unknown>;

const pageSchema = z.object({
  settings: z.record(z.string(), z.unknown()),
  run_as_user_name: z.string().optional(),
  next_page_token: z.string().optional(),
});
const readings = 6;

/**
 * The settings of one job with all their tasks. Long lists inside a job come in pages; what takes several is read until two
 * readings agree, because somebody may write in between.
 *
 * @throws AppError `databricks.listChanging` (transient)
 */
export async function readWholeJob(http: DatabricksHttp, id: number): Promise<JsonObject> {
  let previous: string | null = null;
  for (let reading = 0; reading < readings; reading += 1) {
    const { settings, pages } = await readPages(http, id);
    const current = JSON.stringify(settings);
    if (pages === 1 || current === previous) return settings;
    previous = current;
  }
  throw new AppError('databricks.listChanging', `Job ${id} keeps changing while it is read. Try again.`, {
    status: 503,
    retry: { kind: 'backoff' },
  });
}

async function readPages(http: DatabricksHttp, id: number): Promise<{ settings: JsonObject; pages: number }> {
  let settings: JsonObject = {};
  let pages = 0;
  let pageToken: string | null = null;
  do {
    const query: Record<string, string | number> = {
      job_id: id,
      ...(pageToken === null ? {} : { page_token: pageToken }),
    };
    const page: z.infer<typeof pageSchema> = await http('jobs', 'jobs/get', pageSchema, {
      method: 'GET',
      repeatable: true,
      query,
    });
    settings = mergedPages(settings, { ...runAsOf(page.run_as_user_name), ...page.settings });
    pageToken = nextOf(page.next_page_token);
    pages += 1;
  } while (pageToken !== null);
  return { settings, pages };
}

/** Who a job runs as is set among its settings, and told beside them. */
function runAsOf(name: string | undefined): JsonObject {
  if (name === undefined || name === '') return {};
  const isApplication = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(name);
  return { run_as: isApplication ? { service_principal_name: name } : { user_name: name } };
}

function mergedPages(earlier: JsonObject, page: JsonObject): JsonObject {
  const merged = { ...earlier, ...page };
  for (const [name, value] of Object.entries(page)) {
    const before = earlier[name];
    if (!Array.isArray(value) || !Array.isArray(before)) continue;
    const [first, second]: [unknown[], unknown[]] = [before, value];
    // Lists that fit on one page are repeated on every page.
    const known = new Set(first.map((item) => JSON.stringify(item)));
    merged[name] = [...first, ...second.filter((item) => !known.has(JSON.stringify(item)))];
  }
  return merged;
}
