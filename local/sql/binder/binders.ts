import { conditionBinder } from './conditions';
import { type Binders } from './environment';
import { expressionBinder } from './expressions';
import { queryBinder, scalarSubqueryBinder } from './query';

/** The binder's parts, put together. */
export const binders: Binders = {
  expression: expressionBinder,
  condition: conditionBinder,
  query: queryBinder,
  scalarSubquery: scalarSubqueryBinder,
};
