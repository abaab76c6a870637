import { type Json } from '../json';

/** The syntax tree of a query. Names keep their case; keywords and function names do not have any. */
export type Expression =
  | { kind: 'literal'; value: Json | undefined }
  | { kind: 'parameter'; name: string }
  | { kind: 'name'; name: string }
  | { kind: 'member'; of: Expression; name: Expression }
  | { kind: 'unary'; operator: 'not' | '-' | '+' | '~'; operand: Expression }
  | { kind: 'binary'; operator: BinaryOperator; left: Expression; right: Expression }
  | { kind: 'conditional'; test: Expression; yes: Expression; no: Expression }
  | { kind: 'between'; value: Expression; low: Expression; high: Expression }
  | { kind: 'in'; value: Expression; list: readonly Expression[] }
  | { kind: 'like'; value: Expression; pattern: Expression; escape: Expression | null }
  | { kind: 'call'; name: string; args: readonly Expression[] }
  | { kind: 'array'; elements: readonly Expression[] }
  | { kind: 'object'; properties: readonly { name: string; value: Expression }[] }
  | { kind: 'subquery'; form: 'scalar' | 'exists' | 'array'; query: Query };

export type BinaryOperator =
  | ('or' | 'and' | '??' | '||')
  | ('=' | '!=' | '<' | '<=' | '>' | '>=')
  | ('+' | '-' | '*' | '/' | '%' | '&' | '|' | '^');

export interface Query {
  distinct: boolean;
  top: Expression | null;
  select: { kind: 'all' } | { kind: 'value'; value: Expression } | { kind: 'list'; columns: readonly Column[] };
  from: readonly Source[];
  where: Expression | null;
  groupBy: readonly Expression[];
  orderBy: readonly { value: Expression; descending: boolean }[];
  offset: Expression | null;
  limit: Expression | null;
}

export interface Column {
  name: string;
  value: Expression;
}

/** `FROM c` has no path: it stands for the documents. `x IN c.items` has one: its elements. */
export interface Source {
  alias: string;
  path: Expression | null;
}

/** A query that the stand-in does not understand; the message shows where. */
export class QuerySyntaxError extends Error {
  override readonly name = 'QuerySyntaxError';
}
