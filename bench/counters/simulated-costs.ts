import { type Clock } from '../../lib/platform/clock';
import { orchestrateBuild } from '../../test/support/orchestrated-build';
import { createSimulatedBuild } from '../simulation/simulated-build';
import { connectStores, startStores } from '../simulation/stores';
import { type SimulatedCost } from './verdicts';

const scriptLength = 500;

/** Counts what simulated builds cost, with the real orchestrator on the Durable engine. Time is simulated: no clock, no noise. */
export async function simulateCosts(sizes: readonly number[]): Promise<SimulatedCost[]> {
  const stores = await startStores();
  const connected = connectStores(stores.stores);
  try {
    const costs: SimulatedCost[] = [];
    for (const targets of sizes) {
      stores.reset();
      const simulated = createSimulatedBuild(connected);
      const { buildId, run } = await simulated.submit(targets, scriptLength);
      const clock: Clock = {
        nowMs: () => simulated.clock.nowMs(),
        // Time passes only while the orchestration sleeps, and that is when the workers work.
        async sleep(ms) {
          simulated.advance(ms);
          await simulated.work();
        },
      };
      let ids = 0;
      const orchestration = await orchestrateBuild({
        services: simulated.services,
        clock,
        run: { buildId, run },
        newId: () => `id-${ids++}`,
      });
      const end = await orchestration.ended();
      await orchestration.stop();
      const { state } = await simulated.services.builds.read(buildId);
      if (end !== 'Completed' || state !== 'succeeded')
        throw new Error(`the simulated build ended as ${end}, ${state}`);
      const { documents, blobs } = stores.counters();
      costs.push({
        targets,
        documentRequests: sum(Object.values(documents).flatMap(({ requests }) => Object.values(requests))),
        blobRequests: sum(Object.values(blobs).flatMap((container) => Object.values(container))),
        messages: simulated.traffic.sentMessages,
        events: simulated.traffic.events,
        historyBytes: orchestration.engine.counters(orchestration.instanceId)?.maximumHistoryBytes ?? NaN,
      });
    }
    return costs;
  } finally {
    connected.close();
    await stores.stop();
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
