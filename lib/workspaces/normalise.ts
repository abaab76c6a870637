import { canonical, isObject, type JsonObject, mapObject } from './json';

/**
 * Databricks answers with more than it was sent: ids, times, and defaults for whatever was left out. Whether something
 * *changed* is decided here, so that a second deployment of the same archive finds nothing to do.
 */

type Kind = 'cluster' | 'job';

/** Of the outermost object: filled in by the service, never sent. */
const serverFields: Record<Kind, ReadonlySet<string>> = {
  cluster: new Set(
    (
      'cluster_id cluster_source creator_user_name state state_message default_tags disk_spec driver executors start_time ' +
      'terminated_time last_activity_time last_state_loss_time last_restarted_time termination_reason spark_context_id ' +
      'jdbc_port cluster_cores cluster_memory_mb cluster_log_status init_scripts_safe_mode effective_spark_version ' +
      'instance_source driver_instance_source pinned_by_user_name spec release_version driver_healthy revision_timestamp ' +
      'idempotency_token'
    ).split(' '),
  ),
  job: new Set(
    (
      'job_id created_time creator_user_name run_as_user_name effective_budget_policy_id effective_usage_policy_id ' +
      'trigger_state has_more next_page_token revision_timestamp'
    ).split(' '),
  ),
};

/** Of a cluster: when something happened to it, whatever the service will call that next. */
const happening = /_(?:time|timestamp)$/;

/** What the service fills in where nothing was said, by the field's own name. Several: it depends on the workspace. */
const defaults: Record<string, readonly unknown[]> = {
  autotermination_minutes: [120],
  enable_elastic_disk: [true],
  azure_attributes: [{ first_on_demand: 1, availability: 'ON_DEMAND_AZURE', spot_bid_max_price: -1 }],
  first_on_demand: [1],
  availability: ['ON_DEMAND_AZURE'],
  spot_bid_max_price: [-1],
  runtime_engine: ['STANDARD', 'PHOTON', 'NULL'],
  data_security_mode: ['NONE', 'LEGACY_SINGLE_USER_STANDARD', 'LEGACY_SINGLE_USER', 'SINGLE_USER', 'USER_ISOLATION'],
  workload_type: [{ clients: { jobs: true, notebooks: true } }],
  format: ['MULTI_TASK', 'SINGLE_TASK'],
  edit_mode: ['EDITABLE', 'UI_LOCKED'],
  max_concurrent_runs: [1],
  queue: [{ enabled: true }],
  performance_target: ['PERFORMANCE_OPTIMIZED', 'STANDARD'],
  run_if: ['ALL_SUCCESS'],
  source: ['WORKSPACE', 'GIT'],
  concurrency: [1],
  pause_status: ['UNPAUSED'],
};

/** Where nothing was said the service says whom it took; only what it said right after our last deployment is known to be that. */
const persons = new Set(['single_user_name', 'run_as']);

/** Lists in which order means nothing. */
const sets = new Set(
  (
    'on_start on_success on_failure on_duration_warning_threshold_exceeded on_streaming_backlog_exceeded ' +
    'ssh_public_keys libraries depends_on'
  ).split(' '),
);
/** Lists of things with a name: each is compared with its namesake. */
const keys: Record<string, string> = {
  tasks: 'task_key',
  job_clusters: 'job_cluster_key',
  environments: 'environment_key',
  parameters: 'name',
};
/** The service keeps texts, whatever it was sent. */
const textMaps = new Set(
  'spark_conf spark_env_vars custom_tags tags base_parameters named_parameters job_parameters'.split(' '),
);

/** A specification without what only the service says, and with texts where the service makes texts of values. */
export function withoutServerFields(kind: Kind, spec: JsonObject): JsonObject {
  const own = Object.entries(spec).filter(
    ([name, value]) =>
      !serverFields[kind].has(name) &&
      !(kind === 'cluster' && happening.test(name)) &&
      value !== null &&
      // What a cluster that sizes itself has grown to is its state, not its settings.
      !(name === 'num_workers' && isObject(spec.autoscale)),
  );
  return withTexts(Object.fromEntries(own));
}

function withTexts(object: JsonObject): JsonObject {
  const { target_workers: _grownTo, ...settings } = object;
  return mapObject(settings, (value, name) => {
    if (Array.isArray(value)) return value.map((item: unknown) => (isObject(item) ? withTexts(item) : item));
    if (!isObject(value)) return value;
    return textMaps.has(name)
      ? mapObject(value, (item) => (typeof item === 'number' || typeof item === 'boolean' ? String(item) : item))
      : withTexts(value);
  });
}

const taskFields =
  'existing_cluster_id new_cluster job_cluster_key libraries max_retries min_retry_interval_millis retry_on_timeout'.split(
    ' ',
  );

/** Jobs of the first API version have one task without a name; today's have a list. */
export function asMultiTask(settings: JsonObject): JsonObject {
  const isOfTask = (name: string): boolean => taskFields.includes(name) || /_task$/.test(name);
  if (settings.tasks !== undefined || !Object.keys(settings).some((name) => /_task$/.test(name))) return settings;
  const { format: _format, ...current } = settings;
  const entries = Object.entries(current);
  const key = (typeof settings.name === 'string' ? settings.name : '').replace(/[^\w-]+/g, '_').slice(0, 100) || 'main';
  return {
    ...Object.fromEntries(entries.filter(([name]) => !isOfTask(name))),
    tasks: [{ task_key: key, ...Object.fromEntries(entries.filter(([name]) => isOfTask(name))) }],
  };
}

/** What our last deployment asked for, and what the service made of it: whatever it filled in then is no change now. */
export interface Remembered {
  asked: unknown;
  settled: unknown;
}

/** What differs between what is wanted and what is there, one line each; empty: nothing that anybody would notice. */
export function differences(wanted: unknown, actual: unknown, remembered: Remembered | null): string[] {
  const found: string[] = [];
  compare('', '', wanted, actual, remembered, found);
  return found;
}

/** What was asked for and is not so. What is there besides is not looked at: right after a write it is the service's. */
export function unfulfilled(wanted: unknown, actual: unknown): string[] {
  return differences(wanted, actual, null).filter((line) => !line.endsWith(notSet));
}

const notSet = ' → not set';

function compare(
  place: string,
  field: string,
  wanted: unknown,
  actual: unknown,
  remembered: Remembered | null,
  found: string[],
): void {
  if (isObject(wanted) && isObject(actual)) {
    compareFields(place, wanted, actual, remembered, found);
  } else if (Array.isArray(wanted) && Array.isArray(actual)) {
    compareLists(place, field, wanted, actual, remembered, found);
  } else if (!isSameScalar(wanted, actual)) {
    found.push(`${place}: ${shown(actual)} → ${shown(wanted)}`);
  }
}

function compareFields(
  place: string,
  wanted: JsonObject,
  actual: JsonObject,
  remembered: Remembered | null,
  found: string[],
): void {
  for (const name of new Set([...Object.keys(wanted), ...Object.keys(actual)])) {
    const inner = place === '' ? name : `${place}.${name}`;
    const before = fieldOf(remembered, name);
    if (wanted[name] === undefined) {
      const filledIn = before !== null && before.asked === undefined ? before.settled : undefined;
      const isAsFilledIn = filledIn !== undefined && canonical(filledIn) === canonical(actual[name]);
      const isAnybody = persons.has(name) && filledIn === undefined;
      if (!isAsFilledIn && !isAnybody && !isDefault(name, actual[name], actual)) {
        found.push(`${inner}: ${shown(actual[name])}${notSet}`);
      }
    } else if (actual[name] === undefined) {
      if (!isDefault(name, wanted[name], wanted)) found.push(`${inner}: not set → ${shown(wanted[name])}`);
    } else {
      compare(inner, name, wanted[name], actual[name], before, found);
    }
  }
}

function compareLists(
  place: string,
  field: string,
  wanted: readonly unknown[],
  actual: readonly unknown[],
  remembered: Remembered | null,
  found: string[],
): void {
  const key = keys[field];
  if (key !== undefined) {
    // Its order is for people only; by name it becomes an object, and compares as one.
    const before = remembered && { asked: byKey(remembered.asked, key), settled: byKey(remembered.settled, key) };
    compareFields(place, byKey(wanted, key), byKey(actual, key), before, found);
    return;
  }
  const ordered = (list: readonly unknown[]): readonly unknown[] =>
    sets.has(field) ? [...list].sort((a, b) => (canonical(a) < canonical(b) ? -1 : 1)) : list;
  const [left, right] = [ordered(wanted), ordered(actual)];
  if (left.length !== right.length) {
    found.push(`${place}: ${right.length} entries → ${left.length}`);
    return;
  }
  for (const [at, item] of left.entries()) compare(`${place}[${at}]`, field, item, right[at], null, found);
}

function byKey(list: unknown, key: string): JsonObject {
  const entries = Array.isArray(list) ? list : [];
  return Object.fromEntries(
    entries.map((item: unknown, at) => [isObject(item) && typeof item[key] === 'string' ? item[key] : `#${at}`, item]),
  );
}

function fieldOf(remembered: Remembered | null, name: string): Remembered | null {
  if (remembered === null) return null;
  const of = (value: unknown): unknown => (isObject(value) ? value[name] : undefined);
  return { asked: of(remembered.asked), settled: of(remembered.settled) };
}

/** Whether saying it and leaving it out come to the same. */
function isDefault(name: string, value: unknown, owner: JsonObject): boolean {
  if (name === 'driver_node_type_id') return value === owner.node_type_id || owner.instance_pool_id !== undefined;
  if (name === 'driver_instance_pool_id') return value === owner.instance_pool_id;
  // The pool says what its machines are.
  if (owner.instance_pool_id !== undefined && (name === 'node_type_id' || name === 'enable_elastic_disk')) return true;
  const known = defaults[name];
  if (known?.some((each) => canonical(each) === canonical(value)) === true) return true;
  if (isObject(value)) return Object.entries(value).every(([inner, item]) => isDefault(inner, item, value));
  if (Array.isArray(value)) return value.length === 0;
  // Where a default is known, nothing else is one.
  return known === undefined && (value === null || value === '' || value === 0 || value === false);
}

function isSameScalar(a: unknown, b: unknown): boolean {
  const scalar = (value: unknown): boolean => typeof value !== 'object' || value === null;
  return scalar(a) && scalar(b) && String(a) === String(b);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
