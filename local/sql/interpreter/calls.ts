import { type TableDefinition } from '../catalog/definitions';
import { type SqlType } from '../session';
import { type ErrorHandling } from './error-handling';
import { type Runtime } from './runtime';
import { type Text } from './values';

/** An argument of a call: by name or by position, with its value; OUTPUT values come back in `value`. */
export interface ProcedureArgument {
  name: string | null;
  value: Text;
  type: SqlType;
  output: boolean;
  useDefault: boolean;
  /** Variable of the caller that takes the output. */
  target: string | null;
  /** A table variable that is passed on. */
  table?: TableDefinition;
}

export interface ProcedureCall {
  args: ProcedureArgument[];
  runtime: Runtime;
  errors: ErrorHandling;
  line: number;
}
