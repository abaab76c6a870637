import { countActions } from './plan';
import { type Plan, type Step } from './schema';

const signs: Record<Step['action'], string> = { create: '+', update: '~', none: ' ', delete: '-' };

/** A plan for the eyes of whoever approves it: what happens to what, and why. */
export function planText(plan: Plan, hash: string): string {
  const counts = countActions(plan.steps);
  const lines = [
    `Plan ${hash}`,
    `for workspace ${plan.workspace} in ${plan.environment}: ${plan.resourceId}`,
    `${counts.create} to create, ${counts.update} to update, ${counts.delete} to delete, ${counts.none} unchanged`,
    '',
    ...plan.steps.flatMap((step) => [
      `${signs[step.action]} ${step.action.padEnd(6)} ${step.kind} ${printable(step.name)} (${printable(step.asset)}): ${step.reason}`,
      ...step.changes.map((change) => `           ${printable(change)}`),
    ]),
    ...plan.warnings.map((warning) => `! ${printable(warning)}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** Names come from archives and workspaces: they must not forge lines. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd');
}
