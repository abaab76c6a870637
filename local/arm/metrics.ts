import { z } from 'zod';
import { type ArmState } from './state';

/** One metric of Azure Monitor as databases and elastic pools have it. */
interface MetricDefinition {
  name: string;
  unit: 'Percent' | 'Count' | 'Bytes';
  aggregation: 'Average' | 'Maximum' | 'Total';
}

const definition = (
  name: string,
  unit: MetricDefinition['unit'] = 'Percent',
  aggregation: MetricDefinition['aggregation'] = 'Average',
): MetricDefinition => ({ name, unit, aggregation });
const shared = [
  definition('cpu_percent'),
  definition('physical_data_read_percent'),
  definition('log_write_percent'),
  definition('dtu_consumption_percent'),
  definition('storage', 'Bytes', 'Maximum'),
  definition('storage_percent', 'Percent', 'Maximum'),
  definition('allocated_data_storage', 'Bytes'),
  definition('workers_percent'),
  definition('sessions_percent'),
  definition('sessions_count', 'Count'),
];
const definitions: Record<string, MetricDefinition[]> = {
  'microsoft.sql/servers/databases': [
    ...shared,
    definition('dtu_used', 'Count'),
    definition('dtu_limit', 'Count'),
    definition('cpu_used', 'Count'),
    definition('cpu_limit', 'Count'),
    definition('app_cpu_billed', 'Count', 'Total'),
    definition('connection_successful', 'Count', 'Total'),
    definition('connection_failed', 'Count', 'Total'),
  ],
  'microsoft.sql/servers/elasticpools': [
    ...shared,
    definition('eDTU_used', 'Count'),
    definition('eDTU_limit', 'Count'),
    definition('storage_limit', 'Bytes', 'Maximum'),
    definition('cpu_used', 'Count'),
    definition('cpu_limit', 'Count'),
    definition('allocated_data_storage_percent', 'Percent', 'Maximum'),
  ],
};

/** Undefined: resources of that type have no metrics here. */
export function metricDefinitions(type: string): MetricDefinition[] | undefined {
  return definitions[type.toLowerCase()];
}

/** `[from when, value]`, oldest first; a null value: nothing is reported from then on. */
const changeSchema = z.tuple([z.number(), z.number().nullable()]);
const seriesSchema = z.record(z.string(), z.array(changeSchema));
const maximumChanges = 200;

/** From `timeMs` on, until it is changed again. */
export function setMetrics(
  state: ArmState,
  resource: string,
  values: Readonly<Record<string, number | null>>,
  timeMs: number,
): void {
  const key = `metrics${resource}`;
  const series = { ...state.note(key, seriesSchema) };
  for (const [name, value] of Object.entries(values)) {
    const before = (series[name.toLowerCase()] ?? []).filter(([fromMs]) => fromMs < timeMs);
    const change: z.infer<typeof changeSchema> = [timeMs, value];
    series[name.toLowerCase()] = [...before, change].slice(-maximumChanges);
  }
  state.setNote(key, series);
}

/** Zero where nobody said anything: an idle database. */
export function metricAt(state: ArmState, resource: string, name: string): (timeMs: number) => number | null {
  const changes = state.note(`metrics${resource}`, seriesSchema)?.[name.toLowerCase()] ?? [];
  return (timeMs) => {
    const change = changes.findLast(([fromMs]) => fromMs <= timeMs);
    return change === undefined ? 0 : change[1];
  };
}
