import { databaseOrchestration, databaseOrchestrationName } from '../../lib/capacity/orchestrators/database';
import { regionOrchestration, regionOrchestrationName } from '../../lib/capacity/orchestrators/region';
import { type Orchestration } from '../../lib/platform/durable';
import { invokeDirectly } from '../../local/durable/direct-invocation';
import { eventType } from '../../local/durable/protocol';
import { replayHistory } from '../../local/durable/recorded-history';
import { recordCapacity } from './capacity-recorder';
import { capacityScenarios } from './capacity-scenarios';
import { writeRecording } from './corpus';
import { type Recording } from './recorder';

/** Set to a version, every scenario is also added to the corpus under that name. */
const recordAs = process.env.RECORD_CAPACITY_HISTORIES_AS;
const orchestrations: Readonly<Record<string, Orchestration>> = {
  [regionOrchestrationName]: regionOrchestration,
  [databaseOrchestrationName]: databaseOrchestration,
};

jest.setTimeout(60_000);

describe('recording the ways that capacity can go', () => {
  const recordings = new Map<string, Recording>();
  beforeAll(async () => {
    for (const scenario of capacityScenarios) recordings.set(scenario.name, await recordCapacity(scenario));
  });

  const of = (name: string): Recording => {
    const recording = recordings.get(name);
    if (recording === undefined) throw new Error(`there is no scenario ${name}`);
    return recording;
  };
  const count = (name: string, type: number): number =>
    of(name)
      .histories.flatMap(({ events }) => events)
      .filter(({ EventType }) => EventType === type).length;

  it.each(capacityScenarios.map(({ name }) => name))(
    'records %s so that the code it was recorded with replays it',
    async (name) => {
      const { histories, end } = of(name);
      expect(end).toBe('Completed');
      expect(histories.length).toBeGreaterThan(0);
      for (const history of histories) {
        const orchestration = orchestrations[history.name];
        if (orchestration === undefined) throw new Error(`no orchestration ${history.name}`);
        await expect(replayHistory(history, invokeDirectly(orchestration))).resolves.toEqual({ same: true });
      }
      if (recordAs !== undefined) writeRecording(recordAs, of(name));
    },
  );

  it('meets what each scenario is there for', () => {
    expect(count('region-is-woken', eventType.eventRaised)).toBe(2);
    expect(count('region-failing-activities', eventType.taskFailed)).toBe(2);
    expect(count('region-gave-up', eventType.taskFailed)).toBe(3);
    expect(of('region-continued-as-new').histories.length).toBeGreaterThan(1);
    expect(count('database-waits-for-room', eventType.eventRaised)).toBe(1);
    expect(count('database-failing-activities', eventType.taskFailed)).toBe(2);
    expect(of('database-continued-as-new').histories.length).toBeGreaterThan(1);
  });
});
