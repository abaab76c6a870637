import { type HttpRequest } from '@azure/functions';
import { clusterNotFound } from '../lib/clusters/errors';
import { clusterNamePattern } from '../lib/clusters/model';
import { jsonBody, optionalJsonBody } from '../lib/platform/http';
import { problem } from './answers';

/** What the operations on clusters and on their keys have in common. */

export const refusals = {
  413: problem('The body is larger than any cluster.'),
  400: problem('The request cannot be understood, or does not say who makes the change.'),
  401: problem('Nobody is signed in.'),
  403: problem('The caller is no admin of build clusters.'),
};
export const etagHeader = { ETag: 'The version, for `If-Match`.' };
export const writeHeaders = {
  'If-Match': 'Only if this is still the version.',
  'x-actor': 'Who makes the change, where nobody is signed in. May be in the body as `actor`.',
  'x-reason': 'Why. May be in the body as `reason`.',
};

/** What is no name is nobody's; it must not travel further, wherever names end up. */
export function nameOf(request: HttpRequest): string {
  const name = request.params.name ?? '';
  if (!clusterNamePattern.test(name)) throw clusterNotFound(name.slice(0, 50));
  return name;
}

/** Much more than any cluster needs: what is larger is no mistake. */
const largestBodyBytes = 128 * 1024;

export function bodyOf(request: HttpRequest): Promise<unknown> {
  // A DELETE may say who and why in a body, as other changes do; mostly it has none.
  return (request.method === 'DELETE' ? optionalJsonBody : jsonBody)(request, largestBodyBytes);
}
