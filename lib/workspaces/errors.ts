import { AppError, type InputProblem } from '../platform/errors';

export function deploymentNotFound(id: string): AppError {
  const shown = id.slice(0, 64);
  return new AppError('workspaces.deploymentNotFound', `There is no deployment "${shown}".`, { status: 404 });
}

export function environmentNotFound(name: string): AppError {
  const shown = name.slice(0, 64);
  return new AppError('workspaces.environmentNotFound', `There is no environment "${shown}".`, { status: 404 });
}

export function invalidInput(problems: readonly InputProblem[]): AppError {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return new AppError('workspaces.invalidInput', `The deployment was not started: its input has ${count}.`, {
    status: 422,
    details: { problems },
  });
}

/** What ends an environment: a person has to do something, and trying again does not. */
export function stopped(code: string, message: string, problems: readonly string[] = []): AppError {
  return new AppError(`workspaces.${code}`, message, { status: 409, details: { stops: true, problems } });
}

export function lostLease(): AppError {
  return new AppError('workspaces.leaseLost', 'Another deployment has taken the workspace over.', {
    status: 503,
    retry: { kind: 'backoff' },
  });
}
