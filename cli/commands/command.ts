import { AppError, type InputProblem } from '../../lib/platform/errors';
import { type Output } from '../demo/progress-bar';

/** What a subcommand gets from the process it runs in. */
export interface CommandContext {
  environment: Readonly<Record<string, string | undefined>>;
  /** Where relative paths begin, and where `.sqlfleet/endpoints.json` is looked for, upwards. */
  folder: string;
  /** What was asked for: for people, or with `--json` for programs. */
  output: Output;
  /** Everything else. */
  messages: Output;
  nowMs(): number;
  /** Ends early when `stop` is aborted. */
  wait(delayMs: number): Promise<void>;
  newId(): string;
  /** Who is at the keyboard: the actor where none is named. */
  user(): string;
  /** Ctrl-C. */
  stop: AbortSignal;
}

/** Ends of a subcommand that programs rely on. */
export const exitCodes = {
  allRight: 0,
  /** It was done, and the answer is bad: a build with failures, a package with problems. */
  failures: 1,
  /** Wrong usage, or the app refused it. */
  refused: 2,
  /** The app could not be reached or could not answer: nobody knows. */
  unknown: 3,
  /** Ctrl-C while something went on, as shells count it. */
  interrupted: 130,
} as const;

export interface Command {
  summary: string;
  usage: string;
  /** @returns the exit code. @throws AppError `cli.usage` with every problem of the arguments, or what the app answered */
  run(args: readonly string[], context: CommandContext): Promise<number>;
}

export const usageCode = 'cli.usage';

/** A problem of the command line; `entry` is the argument, as it is written. */
export function usageProblem(entry: string | null, message: string, line: number | null = null): InputProblem {
  return { code: usageCode, message, entry, line };
}

/** @throws AppError `cli.usage` if there are any problems */
export function refuseAny(problems: readonly InputProblem[]): void {
  if (problems.length === 0) return;
  throw new AppError(usageCode, 'The command was not carried out:', { status: 400, details: { problems } });
}
