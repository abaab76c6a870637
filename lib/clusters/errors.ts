import { AppError, type InputProblem } from '../platform/errors';

export function clusterNotFound(name: string): AppError {
  return new AppError('clusters.notFound', `There is no build cluster "${name}".`, { status: 404 });
}

export function clusterExists(name: string): AppError {
  const message = `There is a build cluster "${name}" already (names differ in more than case). Change that one with PUT or PATCH.`;
  return new AppError('clusters.exists', message, { status: 409 });
}

export function clusterChanged(name: string, etag: string): AppError {
  const message = `The build cluster "${name}" was changed since you read it. Read it again, and decide again.`;
  return new AppError('clusters.changed', message, { status: 412, details: { etag } });
}

export function invalidCluster(problems: readonly InputProblem[]): AppError {
  const what = problems.map(({ entry, message }) => `${entry ?? 'cluster'}: ${message}`).join('; ');
  return new AppError('clusters.invalid', `The build cluster was not changed: ${what}.`, {
    status: 422,
    details: { problems },
  });
}

export function clusterInUse(name: string, builds: readonly string[]): AppError {
  const message =
    `The build cluster "${name}" has ${builds.length} unfinished builds. ` +
    'Name a successor that takes them over (?successor=name), or wait until they have ended.';
  return new AppError('clusters.inUse', message, { status: 409, details: { references: builds } });
}

export function tooManyWriters(name: string): AppError {
  return new AppError('clusters.tooManyWriters', `"${name}" kept changing while it was to be written. Try again.`, {
    status: 503,
    retry: { kind: 'backoff' },
  });
}
