import { readFileSync } from 'node:fs';
import { answerParent, childInput } from '../child';
import { createBareDriverClient } from './clients/bare-driver';
import { type BuildOneDatabase, type ClientDeps } from './clients/client';
import { createPoolClient } from './clients/pool';
import { createProductClient } from './clients/product';
import { clientInputSchema, type ClientAnswer, type ClientName } from './model';
import { createWorkload } from './workload';

const clients: Record<ClientName, (deps: ClientDeps) => BuildOneDatabase> = {
  product: createProductClient,
  bareDriver: createBareDriverClient,
  pool: createPoolClient,
};

/** The client side: one client, one workload, as many databases as asked for, `concurrency` at once. */
answerParent(async (): Promise<ClientAnswer> => {
  const input = childInput(clientInputSchema);
  const build = clients[input.client]({
    port: input.port,
    certificateAuthority: readFileSync(input.caFile, 'utf8'),
    pkg: await createWorkload(input.scripts, input.scriptLength),
  });
  await buildAll(build, input.warmUp, input.concurrency);
  const cpuBefore = process.cpuUsage();
  const begunMs = performance.now();
  const durationsMs = await buildAll(build, input.databases, input.concurrency);
  const wallMs = performance.now() - begunMs;
  const cpu = process.cpuUsage(cpuBefore);
  return {
    wallMs,
    cpuMs: (cpu.user + cpu.system) / 1_000,
    durationsMs,
    maximumResidentBytes: process.resourceUsage().maxRSS * 1_024,
  };
});

async function buildAll(build: BuildOneDatabase, databases: number, concurrency: number): Promise<number[]> {
  const durationsMs: number[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < databases) {
      const index = next++;
      const begunMs = performance.now();
      await build(index);
      durationsMs.push(performance.now() - begunMs);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return durationsMs;
}
