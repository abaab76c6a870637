import { type FilterableProperties } from './message';
import { compileSqlFilter } from './sql-filter';
import { type Rule } from './topology';

/** A rule of a subscription, ready to be asked whether the subscription wants a message. */
export type CompiledRule = (properties: FilterableProperties) => boolean;

/** @throws BrokerError naming what the filter contains that is not understood. */
export function compileRule({ filter }: Rule): CompiledRule {
  if (filter.kind === 'sql') return compileSqlFilter(filter.expression);
  const { kind: _kind, applicationProperties = {}, ...rest } = filter;
  const expectedSystem = Object.entries(rest).filter(([, value]) => value !== undefined);
  const expectedApplication = Object.entries(applicationProperties);
  return ({ system, application }) =>
    expectedSystem.every(([name, value]) => system[name] === value) &&
    expectedApplication.every(([name, value]) => application[name] === value);
}
