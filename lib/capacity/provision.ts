import { azureCodeOf, failureClassOf, isFailedOperation, isNotFound } from '../platform/azure-errors';
import { type ArmServer, type AzureSql } from '../platform/azure-sql';
import { type Clock } from '../platform/clock';
import { type FleetEvents } from '../platform/cloud-events';
import { messageOf } from '../platform/errors';
import { Replaced } from './alone';
import { inState, isTimeToTry, retryDelayMs, withFailure } from './documents';
import { type CapacityMetrics } from './metrics';
import { type FailureClass, isOurs } from './model';
import { loadOf } from './load';
import { type Policy } from './policy';
import { type Failure, type Server, type ServerTemplate } from './schema';
import { openingsOf, securitySteps } from './security';
import { type ServerStore } from './server-store';
import { type CapacityStore } from './store';

export interface ProvisionDeps {
  servers: ServerStore;
  store: CapacityStore;
  azure: AzureSql;
  template: ServerTemplate;
  policy: Policy;
  environment: string;
  clock: Clock;
  metrics: CapacityMetrics;
  events: FleetEvents;
}

/**
 * Brings one server nearer to `ready`: what to do is read from its document, what was done is written back before the next
 * thing is begun. It may be called any number of times, by anybody who holds the region's lease, and after a crash anywhere:
 *
 *   requested   the name is checked; the document says `creating` before the PUT, so that a crash leaves evidence
 *   creating    PUT, then the operation's poller in the document; without a poller the same PUT once more
 *   securing    every step of the template verified, applied where it differs, verified again
 *   ready
 *
 * 'fenced': another monitor has taken over, and this one must stop.
 */
export function createProvision(deps: ProvisionDeps) {
  const { servers, azure, template, policy, clock } = deps;
  const steps = securitySteps(azure, template);
  const now = (): string => new Date(clock.nowMs()).toISOString();

  const write = async (
    server: Server,
    fence: number,
    change: (server: Server) => Server | null,
  ): Promise<Server | null> => {
    const written = await servers.update(server.region, server.name, change, { fence });
    return written === 'missing' || written === 'fenced' ? null : written;
  };
  /** Only while nobody moved it on in the meantime. */
  const from =
    (state: Server['state'], change: (server: Server) => Server) =>
    (current: Server): Server | null =>
      current.state === state ? change(current) : null;

  const failed = async (server: Server, error: unknown, fence: number): Promise<Server | null> => {
    const failure: Failure = {
      class: failureClassOf(error),
      code: azureCodeOf(error),
      message: messageOf(error).slice(0, 1_000),
      at: now(),
    };
    // What exists is not given up: it is tried again for as long as it exists, and people hear of it.
    const givesUp = server.state !== 'securing' && failure.class !== 'transient';
    const nextTryAtMs = clock.nowMs() + retryDelayMs(server.creation.failures);
    const written = await write(
      server,
      fence,
      from(server.state, (current) => {
        const noted = withFailure(current, failure, nextTryAtMs, !isFailedOperation(error) && !givesUp);
        return givesUp ? inState(noted, 'failed', `${failure.class}: ${failure.message}`, now()) : noted;
      }),
    );
    if (written === null) return null;
    await deps.store.updateState(
      server.region,
      (state) => ({
        ...state,
        failuresInARow: state.failuresInARow + 1,
        ...(givesUp ? { creations: state.creations.filter((each) => each.server !== server.name) } : {}),
        ...(givesUp && failure.class !== 'name' ? { blocked: blockedBy(failure.class, failure.message) } : {}),
      }),
      fence,
    );
    if (givesUp) {
      const durationMs = clock.nowMs() - Date.parse(server.creation.requestedAt);
      deps.metrics.provisioning({
        region: server.region,
        server: server.name,
        outcome: 'failed',
        durationMs,
        failureClass: failure.class,
      });
    }
    return givesUp ? null : written;
  };
  const blockedBy = (failureClass: FailureClass, message: string) => ({
    class: failureClass,
    message,
    untilMs: failureClass === 'region' ? clock.nowMs() + policy.regionBackoffMs : null,
    templateVersion: template.version,
  });

  const request = async (server: Server, fence: number): Promise<Server | null> => {
    const taken = await azure.nameTaken(server.name);
    if (taken !== null) {
      const existing = await azure.readServer(server.resourceGroup, server.name);
      const ours = existing !== null && isOurs(existing.tags, deps.environment);
      const at = now();
      if (ours)
        return write(
          server,
          fence,
          from('requested', (it) => inState(it, 'securing', 'it exists already', at)),
        );
      const failure: Failure = { class: 'name', code: 'NameTaken', message: taken, at };
      await write(
        server,
        fence,
        from('requested', (it) => inState(withFailure(it, failure, 0, false), 'failed', `name: ${taken}`, at)),
      );
      await deps.store.updateState(
        server.region,
        (state) => ({ ...state, creations: state.creations.filter((each) => each.server !== server.name) }),
        fence,
      );
      return null;
    }
    // Written before the PUT: it says so after a crash, and a monitor that was replaced is stopped here by its fence.
    return write(
      server,
      fence,
      from('requested', (it) => {
        const begun = inState(it, 'creating', 'the server is being created', now());
        return { ...begun, creation: { ...begun.creation, startedAt: now() } };
      }),
    );
  };

  const create = async (server: Server, fence: number): Promise<Server | null> => {
    const definition = { ...template.server, region: server.region, tags: { ...template.tags, ...server.tags } };
    const { poller } = server.creation;
    const operation = await azure
      .createServer(server.resourceGroup, server.name, definition, poller)
      .catch((error: unknown) => {
        // The operation is not known any more: the PUT of the same name tells what became of it.
        if (poller !== null && isNotFound(error)) return { done: false as const, poller: null };
        throw error;
      });
    return write(
      server,
      fence,
      from('creating', (current) =>
        operation.done
          ? inState(current, 'securing', 'the server exists; it is being secured', now())
          : { ...current, creation: { ...current.creation, poller: operation.poller, failure: null } },
      ),
    );
  };

  const secure = async (server: Server, fence: number, stillAlone: () => Promise<void>): Promise<Server | null> => {
    const existing = await azure.readServer(server.resourceGroup, server.name);
    // The next reconciliation says whether it is missing; here nothing can be done.
    if (existing === null) return server;
    const verified: Record<string, string> = {};
    for (const step of steps) {
      await stillAlone();
      const problem = await applied(step, existing);
      if (problem !== null) throw new Error(`${step.name}: ${problem}, although it was just set`);
      verified[step.name] = now();
    }
    const open = await openingsOf(azure, template, existing);
    const databases = await azure.countDatabases(server.resourceGroup, server.name);
    const written = await write(
      server,
      fence,
      from('securing', (current) => {
        const limit = current.numbers.databases?.limit ?? policy.limits.databases;
        const ready: Server = {
          ...inState(current, 'ready', 'every security step was verified', now()),
          fullyQualifiedDomainName: existing.fullyQualifiedDomainName,
          tags: { ...existing.tags, ...template.tags },
          templateVersion: template.version,
          security: { verifiedAt: now(), steps: verified, openings: open },
          numbers: { ...current.numbers, databases: { value: databases, limit } },
          numbersAt: now(),
          creation: { ...current.creation, readyAt: current.creation.readyAt ?? now(), failures: 0, failure: null },
        };
        return { ...ready, load: loadOf(ready, clock.nowMs(), policy) };
      }),
    );
    if (written?.state === 'ready') await announce(written, server, fence);
    return written;
  };
  const applied = async (step: (typeof steps)[number], server: ArmServer): Promise<string | null> => {
    if ((await step.verify(server)) === null) return null;
    await step.apply(server);
    const after = await azure.readServer(server.resourceGroup, server.name);
    return step.verify(after ?? server);
  };
  /** Tells that consumers have one more server; measures how long it took, when it was made here. */
  const announce = async (ready: Server, before: Server, fence: number): Promise<void> => {
    const durationMs = clock.nowMs() - Date.parse(ready.creation.requestedAt);
    await deps.store.updateState(
      ready.region,
      (state) => ({
        ...state,
        failuresInARow: 0,
        blocked: null,
        aboveCreate: {},
        creations: state.creations.map((each) =>
          each.server === ready.name && each.durationMs === null ? { ...each, durationMs } : each,
        ),
      }),
      fence,
    );
    if (before.creation.readyAt === null && ready.origin === 'provisioned') {
      const { region, name: server } = ready;
      deps.metrics.provisioning({ region, server, outcome: 'ready', durationMs, failureClass: null });
    }
    await deps.events.publish({
      id: `${ready.name}/ready/${ready.security.verifiedAt}`,
      type: 'Sqlfleet.Capacity.ServerReady',
      subject: `sqlServers/${ready.name}`,
      data: { region: ready.region, server: ready.name, fullyQualifiedDomainName: ready.fullyQualifiedDomainName },
    });
  };

  return {
    steps,
    /** @returns whether it is worth coming again soon */
    async advance(server: Server, fence: number, stillAlone: () => Promise<void>): Promise<boolean> {
      let current: Server | null = server;
      // Three stages in one go at most: what can be done without waiting is done without waiting.
      for (let stage = 0; stage < 3 && current !== null; stage += 1) {
        if (!isTimeToTry(current, clock.nowMs())) return true;
        const { state }: Server = current;
        try {
          if (state === 'requested') current = await request(current, fence);
          else if (state === 'creating') current = await create(current, fence);
          else if (state === 'securing') current = await secure(current, fence, stillAlone);
        } catch (error) {
          if (error instanceof Replaced) throw error;
          return (await failed(current ?? server, error, fence)) !== null;
        }
        if (current === null || current.state === state) break;
      }
      return current !== null && current.state !== 'ready';
    },
  };
}
export type Provision = ReturnType<typeof createProvision>;
