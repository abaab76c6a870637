import { convert } from '../emitter/convert';
import { literal } from '../emitter/typed';
import { sqlError } from '../errors';
import { type SqlType } from '../session';
import { type ErrorHandling } from './error-handling';
import { type Runtime } from './runtime';
import { type Frame, type Variable } from './state';
import { type Text } from './values';

/** A module or dynamic SQL that leaves more or fewer transactions open than it found: 266, and the batch goes on. */
export function mismatch(before: number, line: number, runtime: Runtime, errors: ErrorHandling): void {
  const { count } = runtime.state.transaction;
  errors.report(sqlError(266, [before, count]), line, '');
}

/** A value as another type has it. */
export async function convertValue(value: Text, from: SqlType, to: SqlType, runtime: Runtime): Promise<Text> {
  if (value === null || JSON.stringify(from) === JSON.stringify(to)) return value;
  const sql = convert({ sql: literal(value, from), type: from, nullable: true, collation: null }, to);
  const [result] = await runtime.run(`SELECT ${sql}`);
  return result?.rows[0]?.[0] ?? null;
}

/** Text as a batch of its own; a syntax or compile error in it is an error of the calling statement. */
export async function runDynamic(
  text: string,
  variables: Map<string, Variable>,
  runtime: Runtime,
  errors: ErrorHandling,
  statement: { line: number },
): Promise<Frame> {
  const { state } = runtime;
  const frame = runtime.newFrame({ variables });
  const before = state.transaction.count;
  await runtime.runText(text, frame);
  if (state.transaction.count !== before) mismatch(before, statement.line, runtime, errors);
  return frame;
}
