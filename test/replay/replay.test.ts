import { type OrchestrationContext, type Orchestration, waitOrWake } from '../../lib/platform/durable';
import { activityNames, buildOrchestration, buildOrchestrationName } from '../../lib/builds/orchestrators/build';
import { databaseOrchestration, databaseOrchestrationName } from '../../lib/capacity/orchestrators/database';
import { regionOrchestration, regionOrchestrationName } from '../../lib/capacity/orchestrators/region';
import { invokeDirectly } from '../../local/durable/direct-invocation';
import { replayHistory } from '../../local/durable/recorded-history';
import { readCorpus } from './corpus';

/** Orchestrators as they are today, by the name under which instances were started. */
const orchestrations: Readonly<Record<string, Orchestration>> = {
  [buildOrchestrationName]: buildOrchestration,
  [databaseOrchestrationName]: databaseOrchestration,
  [regionOrchestrationName]: regionOrchestration,
};

const corpus = readCorpus();

describe('instances that were running before a deployment', () => {
  it.each(corpus)('go on as they were recorded: $name', async ({ history }) => {
    const orchestration = orchestrations[history.name];
    if (orchestration === undefined) throw new Error(`${history.name} is gone, and its running instances cannot end`);
    await expect(replayHistory(history, invokeDirectly(orchestration))).resolves.toEqual({ same: true });
  });

  it.each(Object.keys(orchestrations))('of %s are in the corpus', (name) => {
    expect(corpus.filter(({ history }) => history.name === name)).not.toHaveLength(0);
  });
});

describe('a change of the code that running instances would not survive', () => {
  const succeeded = corpus.find(({ name }) => name.endsWith('/succeeded.1'));
  const replayWith = async (changed: Orchestration) => {
    if (succeeded === undefined) throw new Error('the corpus has no build that succeeded');
    return replayHistory(succeeded.history, invokeDirectly(changed));
  };

  it('is found: another first step', async () => {
    const verdict = await replayWith(function* (context: OrchestrationContext) {
      return yield context.df.callActivity(activityNames.deploy, {});
    });
    expect(verdict).toMatchObject({ same: false });
  });

  it('is found: a wait before the first step', async () => {
    const verdict = await replayWith(function* (context: OrchestrationContext) {
      yield* waitOrWake(context, 1_000);
      return yield* buildOrchestration(context);
    });
    expect(verdict).toMatchObject({ same: false });
  });

  it('is found: another result', async () => {
    const verdict = await replayWith(function* (context: OrchestrationContext) {
      yield* buildOrchestration(context);
      return 'something else';
    });
    expect(verdict).toMatchObject({ same: false });
  });
});
