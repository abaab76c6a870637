import { type InputProblem } from '../platform/errors';

/** `default,target` of one override: scripts written for database `default` go to database `target`. */
export interface DatabaseOverride {
  /** '' when the line names only the target. */
  default: string;
  target: string;
}

/** One line of a target file: databases on one server that are built together, in one attempt. */
export interface Target {
  /** Stable: derived from server, port and overrides only, so the same line has the same id in every build. */
  id: string;
  /** Lower-case host name, without `tcp:` and without port. */
  server: string;
  /** TCP port when the line names one, else null: the server's default. */
  port: number | null;
  overrides: readonly DatabaseOverride[];
  /** '' when untagged. */
  tag: string;
  /** 1-based line in the target file. */
  line: number;
}

export type TargetsReading =
  { valid: true; targets: Target[]; problems: [] } | { valid: false; targets: Target[]; problems: InputProblem[] };
