import { BrokerError, conditions } from './errors';
import { type FilterableProperties, type Properties } from './message';

export function compileSqlFilter(
  expression: string,
  _parameters: Properties,
): (properties: FilterableProperties) => boolean {
  if (/^\s*1\s*=\s*1\s*$/.test(expression)) return () => true;
  throw new BrokerError(conditions.argument, `SQL filters other than 1=1 are not supported: ${expression}`);
}

export function compileSqlAction(expression: string): (properties: FilterableProperties) => Properties {
  throw new BrokerError(conditions.argument, `Rule actions are not supported: ${expression}`);
}
