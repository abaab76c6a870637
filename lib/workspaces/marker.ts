import { type Databricks } from '../platform/databricks';
import { type Marker, markerPath } from './observe';
import { type Plan } from './schema';

/**
 * The marker names a file before the file is there and until it is gone: a crash in between leaves a name too much, never
 * a file of ours that nobody knows.
 */
export async function writeMarker(
  databricks: Databricks,
  plan: Plan,
  current: Marker | null,
  which: 'both' | 'wanted',
): Promise<void> {
  const steps = plan.steps.filter(({ kind }) => kind === 'initScript' || kind === 'notebook');
  const wanted = steps
    .filter(({ action }) => action !== 'delete')
    .map(
      (step) => [step.name, { asset: step.asset, hash: step.expected ?? '', format: step.format ?? 'RAW' }] as const,
    );
  const files = { ...(which === 'both' ? current?.files : {}), ...Object.fromEntries(wanted) };
  if (steps.length === 0 || (which === 'both' && sameNames(files, current?.files ?? {}))) return;
  const marker: Marker = { owner: plan.owner, files };
  await databricks.makeFolder(plan.root);
  const text = `${JSON.stringify(marker, null, 2)}\n`;
  await databricks.importFile(markerPath(plan.root, plan.owner), 'RAW', null, Buffer.from(text));
}

function sameNames(a: object, b: object): boolean {
  return Object.keys(a).sort().join('\n') === Object.keys(b).sort().join('\n');
}
