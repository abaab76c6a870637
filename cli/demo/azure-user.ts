import { request } from 'node:https';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { type Endpoints } from '../../local/launcher/endpoints';

export const subscription = '/subscriptions/00000000-0000-0000-0000-000000000001';
export const group = `${subscription}/resourceGroups/sqlfleet`;

interface Answer {
  status: number;
  text: string;
}

/** HTTPS calls that trust the embedded cloud's certificates. */
async function call(
  endpoints: Endpoints,
  method: string,
  url: string,
  headers: Record<string, string>,
  body: string,
): Promise<Answer> {
  const ca = readFileSync(endpoints.caFile);
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, ca, headers }, (response) => {
      text(response).then((answer) => resolve({ status: response.statusCode ?? 0, text: answer }), reject);
    });
    outgoing.on('error', reject).end(body);
  });
}

const tokenSchema = z.object({ access_token: z.string() });
const scope = 'https://management.azure.com';

/** Somebody who changes Azure by hand, or the app itself, by its identity. */
export function azureAs(endpoints: Endpoints, who: 'somebody' | 'the app') {
  const token = async (): Promise<string> => {
    const { identity, deployer } = endpoints;
    if (who === 'the app') {
      const url = `${identity.endpoint}?api-version=2019-08-01&resource=${encodeURIComponent(scope)}`;
      const response = await fetch(url, { headers: { 'x-identity-header': identity.header } });
      return tokenSchema.parse(await response.json()).access_token;
    }
    const port = new URL(identity.endpoint).port;
    const form = new URLSearchParams({
      ...{ grant_type: 'client_credentials', scope: `${scope}/.default` },
      ...{ client_id: deployer.clientId, client_secret: deployer.clientSecret },
    });
    const url = `https://localhost:${port}/${deployer.tenantId}/oauth2/v2.0/token`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return tokenSchema.parse(JSON.parse((await call(endpoints, 'POST', url, headers, form.toString())).text))
      .access_token;
  };
  const change = async (method: string, id: string, version: string, body = ''): Promise<void> => {
    const url = `${endpoints.arm.endpoint}${id}?api-version=${version}`;
    const headers = { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' };
    const answer = await call(endpoints, method, url, headers, body);
    if (answer.status >= 300) throw new Error(`${method} ${id} answered ${answer.status}: ${answer.text}`);
  };
  return {
    put: (id: string, version: string, body: object) => change('PUT', id, version, JSON.stringify(body)),
    delete: (id: string, version: string) => change('DELETE', id, version),
  };
}
