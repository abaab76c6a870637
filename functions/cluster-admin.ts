import { type HttpRequest } from '@azure/functions';
import { z } from 'zod';
import { type By } from '../lib/clusters/changes';
import { AppError } from '../lib/platform/errors';
import { isSignInOn, signedInActor } from '../lib/platform/http';

const longestActor = 256;
const longestReason = 1_000;

/**
 * Who changes the registry, decided before anything of it is read: whoever may not, learns nothing.
 *
 * Where the platform signs callers in, its word counts, and they must be named as admins: with no admins named, nobody
 * may. Without sign-in the function key is what lets a caller in; then the caller says who it is, in the headers
 * `x-actor` and `x-reason` or in the body, and admins that are named keep others from changes by mistake.
 *
 * @throws AppError `clusters.notSignedIn` (401), `clusters.notAdmin` (403), `clusters.actorMissing` (400)
 */
export function adminOf(
  request: HttpRequest,
  body: unknown,
  admins: readonly string[],
  options: { needsReason?: boolean; environment?: Record<string, string | undefined> } = {},
): By {
  const environment = options.environment ?? process.env;
  const actor = isSignInOn(environment)
    ? signedInActor(request, environment)
    : said(request, body, 'actor', longestActor);
  if (actor === null && isSignInOn(environment)) {
    throw new AppError('clusters.notSignedIn', 'Sign in: changes of build clusters are made by people.', {
      status: 401,
    });
  }
  if (actor === null) throw missing('actor', 'who makes this change');
  const isAdmin = admins.includes(actor.toLowerCase());
  if (!isAdmin && (admins.length > 0 || isSignInOn(environment))) {
    throw new AppError(
      'clusters.notAdmin',
      'You are not among those who may change build clusters (SQLFLEET_CLUSTER_ADMINS).',
      { status: 403 },
    );
  }
  const reason = said(request, body, 'reason', longestReason);
  if (reason === null && options.needsReason === true) throw missing('reason', 'why');
  return { actor, reason: reason ?? '' };
}

/** Of a body of any shape; its schema is applied only when it is clear who sends it. */
const inBodySchema = z.looseObject({ actor: z.string().optional(), reason: z.string().optional() });

function said(request: HttpRequest, body: unknown, field: 'actor' | 'reason', longest: number): string | null {
  const text = request.headers.get(`x-${field}`) ?? inBodySchema.safeParse(body).data?.[field];
  const trimmed = text?.trim() ?? '';
  if (trimmed.length > longest || /\p{Cc}/u.test(trimmed)) {
    throw new AppError(`clusters.${field}Malformed`, `"${field}" has at most ${longest} printable characters.`, {
      status: 400,
    });
  }
  return trimmed === '' ? null : trimmed;
}

function missing(field: 'actor' | 'reason', what: string): AppError {
  return new AppError(
    `clusters.${field}Missing`,
    `Say ${what}: in the header "x-${field}", or as "${field}" in the body.`,
    {
      status: 400,
    },
  );
}
