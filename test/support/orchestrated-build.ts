import { z } from 'zod';
import { finishInputSchema } from '../../lib/builds/finish';
import {
  activityNames,
  buildOrchestration,
  buildOrchestrationName,
  orchestrationId,
} from '../../lib/builds/orchestrators/build';
import { type RunInput, runInputSchema } from '../../lib/builds/schema';
import { type BuildServices } from '../../lib/builds/services';
import { type Clock } from '../../lib/platform/clock';
import { createDurableEngine, type LocalDurableEngine } from '../../local/durable/engine';
import { invokerOf } from '../local/durable/support';

export interface OrchestratedBuild {
  instanceId: string;
  engine: LocalDurableEngine;
  /** What a control action does to a sleeping orchestration. */
  wake(): Promise<void>;
  /** Resolves when the orchestration has ended, whatever way. */
  ended(): Promise<'Completed' | 'Failed' | 'Terminated'>;
  stop(): Promise<void>;
}

export interface OrchestratedBuildOptions {
  services: BuildServices;
  /** Its `sleep` is where simulated workers work: time passes only while the orchestration waits. */
  clock: Clock;
  run: RunInput;
  newId: () => string;
  /** Stands between the engine and every activity. */
  around?: (activity: string, run: () => Promise<unknown>) => Promise<unknown>;
}

const statusSchema = z.object({ runtimeStatus: z.string() });
const endSchema = z.enum(['Completed', 'Failed', 'Terminated']);
const lookEveryMs = 5;

/** Runs one build's real orchestrator, in the real library on the durable engine, over the services that it is given. */
export async function orchestrateBuild(options: OrchestratedBuildOptions): Promise<OrchestratedBuild> {
  const { services, clock, run, around = (_activity, inner) => inner() } = options;
  const activity = <T>(name: string, schema: z.ZodType<T>, inner: (input: T) => Promise<unknown>) =>
    [name, (input: unknown) => around(name, () => inner(schema.parse(input)))] as const;
  const activities = Object.fromEntries([
    activity(activityNames.prepare, runInputSchema, (input) => services.prepare(input)),
    activity(activityNames.enqueue, runInputSchema, (input) => services.monitor(input)),
    activity(activityNames.deploy, runInputSchema, (input) => services.deploy(input)),
    activity(activityNames.monitor, runInputSchema, (input) => services.monitor(input)),
    activity(activityNames.finish, finishInputSchema, (input) => services.finish(input)),
  ]);
  const engine = createDurableEngine({
    taskHubName: 'test',
    journalPath: null,
    clock,
    newId: options.newId,
    log: () => undefined,
    systemKey: 'key',
    options: { strictReplay: true },
  });
  await engine.start(
    { orchestrators: [buildOrchestrationName], activities: Object.keys(activities), entities: [] },
    invokerOf({ orchestrators: { [buildOrchestrationName]: buildOrchestration }, activities }),
  );
  const request = async (method: string, path: string, body: unknown): Promise<string> => {
    const response = await engine.handle({
      method,
      url: `/durabletask/${path}`,
      headers: { host: 'localhost', 'content-type': 'application/json' },
      body: Buffer.from(body === null ? '' : JSON.stringify(body)),
    });
    return response.body.toString();
  };
  const instanceId = orchestrationId(run.buildId, run.run);
  await request('POST', `orchestrators/${buildOrchestrationName}/${instanceId}`, run);
  return {
    instanceId,
    engine,
    wake: async () => void (await request('POST', `instances/${instanceId}/raiseEvent/wake`, {})),
    async ended() {
      for (;;) {
        const status = await request('GET', `instances/${instanceId}`, null);
        const end = endSchema.safeParse(statusSchema.parse(JSON.parse(status)).runtimeStatus);
        if (end.success) return end.data;
        await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      }
    },
    stop: () => engine.stop(1_000),
  };
}
