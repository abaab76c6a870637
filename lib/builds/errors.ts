import { AppError, isAppError, type InputProblem } from '../platform/errors';

export function buildNotFound(buildId: string): AppError {
  return new AppError('builds.notFound', `There is no build "${buildId}".`, { status: 404 });
}

export function invalidInput(problems: readonly InputProblem[]): AppError {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return new AppError('builds.invalidInput', `The build was not started: its input has ${count}.`, {
    status: 422,
    details: { problems },
  });
}

/** @param possible in which states it is, as a phrase that follows "possible while it is" */
export function forbiddenByState(action: string, buildId: string, state: string, possible: string): AppError {
  const message = `Build "${buildId}" is ${state}; ${action} is only possible while it is ${possible}.`;
  return new AppError('builds.forbiddenByState', message, {
    status: 409,
    details: { state, action },
  });
}

export function tooManyWriters(subject: string): AppError {
  return new AppError('builds.tooManyWriters', `${subject} kept changing while it was to be written. Try again.`, {
    status: 503,
    retry: { kind: 'backoff' },
  });
}

const incurableCodes = new Set(['builds.inputChanged', 'builds.stateMissing']);

/** What the build was made of is gone or was changed: no repetition will bring it back. */
export function isIncurable(error: unknown): error is AppError {
  return isAppError(error) && incurableCodes.has(error.code);
}
