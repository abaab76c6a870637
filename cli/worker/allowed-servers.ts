import { type BuildDatabase } from '../../lib/builds/run/database-builder';
import { type Clock } from '../../lib/platform/clock';
import { checkServers } from '../../lib/targets/servers';

/**
 * The worker's own word on where it logs in, whatever the app sends: a login hands over a token or a password, and whoever
 * runs the worker need not trust whoever runs the app with all that it could reach.
 *
 * @param allowed exact host names, or `.suffix` for all below a domain
 */
export function onAllowedServers(
  allowed: readonly string[],
  build: BuildDatabase,
  clock: Pick<Clock, 'nowMs'>,
): BuildDatabase {
  return async (request, pkg) => {
    const { server } = request.target;
    if (checkServers([request.target], allowed).length === 0) return build(request, pkg);
    const reason = `${server} is not among the servers that this worker may reach, which its setting SQLFLEET_WORKER_ALLOWED_SERVERS lists`;
    return {
      status: 'rejected',
      reason,
      failure: null,
      scripts: [],
      startedAt: new Date(clock.nowMs()).toISOString(),
      durationMs: 0,
      counters: { logins: 0, roundTrips: 0, batches: 0, throttled: 0, timeoutRetries: 0 },
      log: `-- Outcome: rejected: ${reason}\n`,
    };
  };
}
