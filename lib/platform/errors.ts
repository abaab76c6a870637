/** How a caller may react: never try again, try again with back-off, or try again after a stated time. */
export type RetryAdvice = { kind: 'no' } | { kind: 'backoff' } | { kind: 'after'; delayMs: number };

export interface AppErrorOptions {
  /** HTTP status that a handler answers with when this error reaches it. Default 500. */
  status?: number;
  retry?: RetryAdvice;
  /** Structured facts for logs and problem details. Never secrets, never script text. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/**
 * The one error type of the product. `code` is stable and dotted (`builds.notFound`); the message says what happened
 * and what to do. Foreign errors are mapped to it once, where they enter.
 */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: string;
  readonly status: number;
  readonly retry: RetryAdvice;
  readonly details: Record<string, unknown>;

  constructor(code: string, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? 500;
    this.retry = options.retry ?? { kind: 'no' };
    this.details = options.details ?? {};
  }
}

/** Structural, so that it holds across duplicated bundles and module registries. */
export function isAppError(error: unknown): error is AppError {
  return error instanceof Error && error.name === 'AppError' && 'code' in error && typeof error.code === 'string';
}

/** Whether the same call may succeed later: something it needs is away or busy. */
export function isTransient(error: unknown): boolean {
  return isAppError(error) && error.retry.kind !== 'no';
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** A page was asked for with a continuation that no page gave. */
export function badContinuation(cause?: unknown): AppError {
  const message = 'The continuation is not one that a page of this list gave. Begin without one.';
  return new AppError('request.continuation', message, { status: 400, cause });
}

/** A problem found in some input: what is wrong, and where. Inputs report all of their problems at once. */
export interface InputProblem {
  /** Stable dotted code, for example `package.entry.traversal`. */
  code: string;
  message: string;
  /** Zip entry, file name or JSON path; null when the problem concerns the input as a whole. */
  entry: string | null;
  /** 1-based line within `entry`, null when no line applies. */
  line: number | null;
}
