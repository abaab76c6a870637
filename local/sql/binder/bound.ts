import { type Typed } from '../emitter/typed';
import { type Scope } from './scope';

export interface BoundColumn extends Typed {
  name: string;
}

export interface BoundQuery {
  /** Its columns are named o1, o2, ... */
  sql: string;
  columns: BoundColumn[];
}

export interface QueryOptions {
  /** The outermost query of a statement: ORDER BY without TOP is allowed. */
  top?: boolean;
  /** Takes the place of the select list, once FROM is bound. */
  items?: (scope: Scope) => BoundColumn[];
}
