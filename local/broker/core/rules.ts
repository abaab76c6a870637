import { type FilterableProperties, type Properties } from './message';
import { compileSqlAction, compileSqlFilter } from './sql-filter';
import { type Rule, type RuleFilter } from './topology';

/** A rule of a subscription, ready to be asked. */
export interface CompiledRule {
  matches(properties: FilterableProperties): boolean;
  /** What the rule's action sets on the copy; null without an action. */
  changes: ((properties: FilterableProperties) => Properties) | null;
}

/** @throws BrokerError naming what the expression contains that is not understood. */
export function compileRule(rule: Rule): CompiledRule {
  return {
    matches: compileFilter(rule.filter),
    changes: rule.action === null ? null : compileSqlAction(rule.action),
  };
}

function compileFilter(filter: RuleFilter): (properties: FilterableProperties) => boolean {
  if (filter.kind === 'sql') return compileSqlFilter(filter.expression, filter.parameters ?? {});
  const { kind: _kind, applicationProperties = {}, ...rest } = filter;
  const expectedSystem = Object.entries(rest).filter(([, value]) => value !== undefined);
  const expectedApplication = Object.entries(applicationProperties);
  return ({ system, application }) =>
    expectedSystem.every(([name, value]) => system[name] === value) &&
    expectedApplication.every(([name, value]) => application[name] === value);
}

/**
 * The copies that a message leaves in a subscription: one if a rule without an action matches, and one for each
 * matching rule with an action, carrying what that action set. Empty: the subscription does not want it.
 */
export function copiesFor(
  rules: readonly CompiledRule[],
  properties: FilterableProperties,
): { changes: Properties | null }[] {
  const matching = rules.filter((rule) => rule.matches(properties));
  const copies = matching.flatMap((rule) => (rule.changes === null ? [] : [{ changes: rule.changes(properties) }]));
  return matching.some((rule) => rule.changes === null) ? [{ changes: null }, ...copies] : copies;
}
