import { type Clock } from '../../platform/clock';
import { type Connect } from '../../sql/model';
import { type Package } from '../../packages/model';
import { type DatabaseBuildRequest, type DatabaseBuildResult } from '../model';
import { type RunLimits } from './limits';
import { type RunLog } from './run-log';

export interface DatabaseBuilderDeps {
  connect: Connect;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  /** Name and version of this product, at most 20 characters, for `SqlBuild_Logging.RunWithVersion`. */
  version: string;
  limits?: Partial<RunLimits>;
}

/** What all steps of one database build share. The counters are exact: whoever sends something counts it. */
export interface RunContext {
  connect: Connect;
  clock: Clock;
  random: () => number;
  version: string;
  limits: RunLimits;
  request: DatabaseBuildRequest;
  pkg: Package;
  counters: DatabaseBuildResult['counters'];
  log: RunLog;
}

export function createContext(
  deps: DatabaseBuilderDeps,
  limits: RunLimits,
  request: DatabaseBuildRequest,
  pkg: Package,
  log: RunLog,
): RunContext {
  return {
    connect: deps.connect,
    clock: deps.clock,
    random: deps.random,
    version: deps.version,
    limits,
    request,
    pkg,
    counters: { logins: 0, roundTrips: 0, batches: 0, throttled: 0, timeoutRetries: 0 },
    log,
  };
}
