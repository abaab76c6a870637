import { createHash } from 'node:crypto';
import { type Clock } from '../../lib/platform/clock';
import { type Orchestrations } from '../../lib/platform/durable';
import { type RecordedHistory } from '../../local/durable/recorded-history';
import { type TestDocuments } from '../support/documents';
import { orchestrateBuild, type OrchestratedBuild } from '../support/orchestrated-build';
import { createSimulatedFleet, makeTargets } from '../support/simulated-fleet';
import { type Scenario } from './scenarios';

export interface Recording {
  scenario: string;
  end: 'Completed' | 'Failed' | 'Terminated';
  /** One per generation, in order: the last one complete, those before it as they were when they last slept. */
  histories: RecordedHistory[];
}

const by = { actor: 'somebody', reason: 'the scenario says so' };

/** Plays a scenario and records what its orchestration went through. */
export async function record(scenario: Scenario, documents: TestDocuments): Promise<Recording> {
  const fleet = createSimulatedFleet({
    documents,
    targets: makeTargets(scenario.targets, 2),
    ...(scenario.build === undefined ? {} : { build: scenario.build }),
  });
  if (scenario.clusterMissing === true) fleet.memory.queue.backlog = async () => 'missing';
  const { buildId } = await fleet.submit(scenario.options);

  const generations = new Map<string, RecordedHistory>();
  const keep = ({ engine, instanceId }: OrchestratedBuild): void => {
    const history = engine.exportHistory(instanceId);
    if (history !== null) generations.set(history.executionId, history);
  };
  let sleeps = 0;
  const asleep = new Set<Promise<void>>();
  const clock: Clock = {
    nowMs: () => fleet.nowMs(),
    sleep(ms, signal) {
      const nap = sleep(ms, signal).finally(() => asleep.delete(nap));
      asleep.add(nap);
      return nap;
    },
  };
  async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const build = await orchestration;
    sleeps += 1;
    keep(build);
    const action = scenario.controls?.[sleeps];
    // Half-way, so that the wake-up comes before the timer.
    fleet.advance(ms / 2);
    if (action !== undefined) {
      await fleet.services.control(buildId, action, by, wakingUp(fleet.orchestrations, build));
      await new Promise<void>((resolve) => setTimeout(resolve, 20));
    }
    if (signal?.aborted === true) return;
    fleet.advance(ms / 2);
    for (let turn = 0; turn < scenario.turnsPerSleep && (await fleet.work()) > 0; turn += 1);
  }
  const calls = new Map<string, number>();
  let ids = 0;
  const orchestration: Promise<OrchestratedBuild> = orchestrateBuild({
    services: fleet.services,
    clock,
    run: { buildId, run: 1 },
    newId: () => idOf(`${scenario.name} ${ids++}`),
    around(activity, run) {
      const call = (calls.get(activity) ?? 0) + 1;
      calls.set(activity, call);
      if (scenario.throws?.(activity, call) === true) throw new Error('the scenario lets this call fail');
      return run();
    },
  });
  const build = await orchestration;
  const end = await build.ended();
  keep(build);
  await build.stop();
  await Promise.all(asleep);
  return { scenario: scenario.name, end, histories: [...generations.values()] };
}

function wakingUp(orchestrations: Orchestrations, build: OrchestratedBuild): Orchestrations {
  return { ...orchestrations, wake: () => build.wake() };
}

/** The same in every recording, so that recording again changes only what really changed. */
function idOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
