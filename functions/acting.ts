import { type HttpRequest } from '@azure/functions';
import { jsonBody, signedInActor } from '../lib/platform/http';

/** The body as JSON, with a signed-in caller as its actor: what somebody claims to be counts only where nobody is signed in. */
export async function bodyWithActor(request: HttpRequest): Promise<unknown> {
  const body = await jsonBody(request);
  const actor = signedInActor(request, process.env);
  return actor !== null && typeof body === 'object' ? { ...body, actor } : body;
}
