import { type BoundQuery } from '../binder/bound';
import { type BoundChange } from '../binder/change';
import { type TableLock } from '../binder/environment';
import { type Shadow } from '../binder/instead-of';
import { type SqlType } from '../session';

export interface CompiledQuery extends BoundQuery {
  locks: TableLock[];
  /** Variables that the query assigns, in the order of its columns. */
  variables: { name: string; type: SqlType }[];
}

export type CompiledChange = BoundChange & {
  locks: TableLock[];
  variableTypes: SqlType[];
  /** When an INSTEAD OF trigger takes the change's place. */
  shadow: Shadow | null;
};

export interface ChangedRows {
  count: number;
  /** Temporary table that holds old and new rows, when triggers wait for them. */
  captured: string | null;
}
