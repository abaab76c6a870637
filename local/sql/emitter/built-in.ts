import { familyOf, int, nvarchar } from '../binder/types';
import { type SqlType } from '../session';
import { convert } from './convert';
import { type Typed } from './typed';

/** One call of a built-in function whose arguments are bound. */
export interface Call {
  name: string;
  args: readonly Typed[];
  line: number;
  databaseId: number;
}

export type BuiltIn = { min: number; max: number; emit: (call: Call) => Typed };

export const value = (sql: string, type: SqlType, nullable = true): Typed => ({ sql, type, nullable, collation: null });

/** Argument `index` as PostgreSQL text of a type; absent ones are NULL. */
export function argument(call: Call, index: number, type: SqlType): string {
  const arg = call.args[index];
  return arg === undefined
    ? convert({ ...value('NULL', int), isNull: true }, type)
    : convert(arg, type, { explicit: true, line: call.line });
}

/** A string argument as it is, anything else as nvarchar. */
export function text(call: Call, index: number): string {
  const arg = call.args[index];
  if (arg !== undefined && arg.isNull !== true && familyOf(arg.type) === 'string') return arg.sql;
  return argument(call, index, nvarchar('max'));
}

export const defined = (min: number, max: number, emit: (call: Call) => Typed): BuiltIn => ({ min, max, emit });
