import { type BlobStore } from '../../lib/platform/blobs';
import { answerParent, childInput } from '../child';
import { type SimulationAnswer, simulationInputSchema } from './model';
import { createSimulatedBuild, playBuild } from './simulated-build';
import { connectStores } from './stores';

/** One simulated build in a process of its own; its stores are in another one. */
answerParent(async (): Promise<SimulationAnswer> => {
  const input = childInput(simulationInputSchema);
  let mostLiveBytes = 0;
  let isMeasuring = false;
  const look = (): void => {
    if (isMeasuring) mostLiveBytes = Math.max(mostLiveBytes, liveBytes());
  };
  const stores = connectStores(input.stores);
  const simulated = createSimulatedBuild({ ...stores, blobs: (name) => watchingPlan(stores.blobs(name), look) });
  await playBuild(simulated, await simulated.submit(input.warmUpTargets, input.scriptLength), look);

  isMeasuring = input.measureMemory;
  const cpuBefore = process.cpuUsage();
  await playBuild(simulated, await simulated.submit(input.targets, input.scriptLength), look);
  const cpu = process.cpuUsage(cpuBefore);
  stores.close();
  return {
    cpuMs: (cpu.user + cpu.system) / 1_000,
    liveBytes: mostLiveBytes,
    maximumResidentBytes: process.resourceUsage().maxRSS * 1_024,
  };
});

/** Planning holds the most, while it writes the pages of the plan. */
function watchingPlan(blobs: BlobStore, look: () => void): BlobStore {
  return {
    ...blobs,
    put(name, data, contentType) {
      if (name.includes('/plan/')) look();
      return blobs.put(name, data, contentType);
    },
  };
}

function liveBytes(): number {
  if (globalThis.gc === undefined) throw new Error('measuring memory needs --expose-gc');
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
