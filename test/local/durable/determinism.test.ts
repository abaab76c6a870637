import { type OrchestrationContext, type OrchestrationHandler } from 'durable-functions';
import { invokeDirectly } from '../../../local/durable/direct-invocation';
import { recordedHistory, type RecordedHistory, replayHistory } from '../../../local/durable/recorded-history';
import { type Hub, settle, startHub } from './support';

const activities = { first: () => 1, second: () => 2, third: () => 3 };

describe('an orchestrator that is not deterministic', () => {
  let hub: Hub | undefined;
  afterEach(async () => hub?.stop());

  async function failureOf(main: OrchestrationHandler, strictReplay: boolean): Promise<string> {
    hub = await startHub({ orchestrators: { main }, activities }, { options: { strictReplay } });
    return String((await hub.until(await hub.start('main'), 'Failed')).output);
  }

  it('fails when it calls something else on replay', async () => {
    let runs = 0;
    const text = await failureOf(function* (context) {
      runs += 1;
      yield context.df.callActivity(runs === 1 ? 'first' : 'second');
    }, false);
    expect(text).toContain(
      "Non-deterministic orchestrator detected: task 0 was activity 'first' before and is activity 'second' on replay",
    );
  });

  it('fails when it no longer schedules what it did', async () => {
    let runs = 0;
    const text = await failureOf(function* (context) {
      runs += 1;
      const { df } = context;
      yield df.Task.all(
        runs === 1 ? [df.callActivity('first'), df.callActivity('second')] : [df.callActivity('first')],
      );
    }, false);
    expect(text).toContain("task 1 was activity 'second' before, and the replay did not schedule it again");
  });

  it('fails in a strict replay when only its inputs differ', async () => {
    let runs = 0;
    const text = await failureOf(function* (context) {
      yield context.df.callActivity('first', (runs += 1));
    }, true);
    expect(text).toContain('two replays of the same history gave different answers');
  });
});

describe('a recorded history', () => {
  function* original(context: OrchestrationContext): ReturnType<OrchestrationHandler> {
    const first: unknown = yield context.df.callActivity('first', context.df.getInput());
    const deadline = new Date(context.df.currentUtcDateTime.getTime() + 60_000);
    const timer = context.df.createTimer(deadline);
    const event = context.df.waitForExternalEvent('go');
    yield context.df.Task.any([event, timer]);
    if (!timer.isCompleted) timer.cancel();
    return first;
  }

  async function record(runToEnd: boolean): Promise<RecordedHistory> {
    const hub = await startHub({ orchestrators: { main: original }, activities });
    const id = await hub.start('main', 'in');
    await settle();
    if (runToEnd) {
      await hub.raise(id, 'go', 'now');
      await hub.until(id, 'Completed');
    }
    const exported = hub.engine.exportHistory(id);
    await hub.stop();
    return recordedHistory.parse(JSON.parse(JSON.stringify(exported)));
  }

  const verdictOn = async (recorded: RecordedHistory, handler: OrchestrationHandler): Promise<unknown> =>
    replayHistory(recorded, invokeDirectly(handler));

  it.each([true, false])('replays against the code that made it (finished: %s)', async (runToEnd) => {
    expect(await verdictOn(await record(runToEnd), original)).toEqual({ same: true });
  });

  it('tells a call that was inserted', async () => {
    const changed: OrchestrationHandler = function* (context) {
      yield context.df.callActivity('third');
      yield context.df.callActivity('first');
    };
    expect(await verdictOn(await record(false), changed)).toEqual({
      same: false,
      divergence: "task 0 was activity 'first' before and is activity 'third' on replay",
    });
  });

  it('tells a step that was left out', async () => {
    const changed: OrchestrationHandler = function* (context) {
      const first: unknown = yield context.df.callActivity('first');
      return first;
    };
    expect(await verdictOn(await record(false), changed)).toEqual({
      same: false,
      divergence: 'task 1 was a timer before, and the replay did not schedule it again',
    });
  });

  it('tells a step that was added behind one that had scheduled nothing', async () => {
    const changed: OrchestrationHandler = function* (context) {
      const { df } = context;
      yield df.callActivity('first');
      yield df.Task.any([df.createTimer(new Date(df.currentUtcDateTime.getTime() + 60_000)), df.callActivity('third')]);
    };
    expect(await verdictOn(await record(false), changed)).toEqual({
      same: false,
      divergence: "the replay scheduled activity 'third' as task 2, where nothing was scheduled before",
    });
  });

  it('tells another output', async () => {
    const changed: OrchestrationHandler = function* (context) {
      yield* original(context);
      return 'changed';
    };
    expect(await verdictOn(await record(true), changed)).toEqual({
      same: false,
      divergence: 'the execution ended with the output 1 before and with the output "changed" on replay',
    });
  });
});
