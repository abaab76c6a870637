import { buildOrchestration } from '../../lib/builds/orchestrators/build';
import { invokeDirectly } from '../../local/durable/direct-invocation';
import { eventType } from '../../local/durable/protocol';
import { replayHistory } from '../../local/durable/recorded-history';
import { startTestDocuments, type TestDocuments } from '../support/documents';
import { writeRecording } from './corpus';
import { record, type Recording } from './recorder';
import { scenarios } from './scenarios';

/** Set to a version, every scenario is also added to the corpus under that name. */
const recordAs = process.env.RECORD_HISTORIES_AS;

describe('recording the ways that a build can go', () => {
  const recordings = new Map<string, Recording>();
  let documents: TestDocuments;
  beforeAll(async () => {
    documents = await startTestDocuments();
    for (const scenario of scenarios) recordings.set(scenario.name, await record(scenario, documents));
  });
  afterAll(() => documents.stop());

  const of = (name: string): Recording => {
    const recording = recordings.get(name);
    if (recording === undefined) throw new Error(`there is no scenario ${name}`);
    return recording;
  };
  const eventsOf = (name: string) => of(name).histories.flatMap(({ events }) => events);

  it.each(scenarios.map(({ name }) => name))(
    'records %s so that the code it was recorded with replays it',
    async (name) => {
      const { histories } = of(name);
      expect(histories.length).toBeGreaterThan(0);
      for (const history of histories) {
        await expect(replayHistory(history, invokeDirectly(buildOrchestration))).resolves.toEqual({ same: true });
      }
      if (recordAs !== undefined) writeRecording(recordAs, of(name));
    },
  );

  it('meets what each scenario is there for', () => {
    const raised = (name: string): number =>
      eventsOf(name).filter(({ EventType }) => EventType === eventType.eventRaised).length;
    expect(raised('paused-and-resumed')).toBe(2);
    expect(raised('cancelled')).toBe(1);
    const failed = eventsOf('failing-activities').filter(({ EventType }) => EventType === eventType.taskFailed);
    expect(failed).toHaveLength(10);
    expect(of('continued-as-new').histories.length).toBeGreaterThan(1);
    expect(of('gave-up-in-prepare').end).toBe('Failed');
    expect(of('cluster-missing').end).toBe('Completed');
    expect(JSON.stringify(eventsOf('cluster-missing'))).toContain('builds.clusterMissing');
  });
});
