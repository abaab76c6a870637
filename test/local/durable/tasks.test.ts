import { type OrchestrationContext, type OrchestrationHandler, RetryOptions, type Task } from 'durable-functions';
import { type Hub, type HubOptions, settle, startHub, type Status, type TestApp } from './support';

const hubs: Hub[] = [];
afterEach(async () => Promise.all(hubs.splice(0).map(async (hub) => hub.stop())));

async function hubWith(app: TestApp, options: HubOptions = {}): Promise<Hub> {
  const hub = await startHub(app, options);
  hubs.push(hub);
  return hub;
}

/** Runs one orchestrator to its end, moving the clock on while it runs. */
async function run(
  orchestrator: OrchestrationHandler,
  app: Partial<TestApp> & { input?: unknown; advanceMs?: number; end?: string } = {},
): Promise<Status> {
  const hub = await hubWith({
    orchestrators: { main: orchestrator, ...app.orchestrators },
    activities: app.activities ?? {},
  });
  const id = await hub.start('main', app.input);
  if (app.advanceMs !== undefined) await hub.clock.advance(app.advanceMs);
  return hub.until(id, app.end ?? 'Completed');
}

/** An activity that fails its first `failures` calls. */
function flaky(failures: number): { call: (input: unknown) => unknown; calls: () => number } {
  let calls = 0;
  return {
    calls: () => calls,
    call: (input) => {
      calls += 1;
      if (calls <= failures) throw new Error(`failure ${calls}`);
      return input;
    },
  };
}

const boom = (): never => {
  throw new Error('boom');
};

describe('activities', () => {
  it('fan out and in: 1,000 at once, their results in the order of the calls', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        const tasks: Task[] = [];
        for (let n = 0; n < 1000; n += 1) tasks.push(context.df.callActivity('double', n));
        const results: unknown = yield context.df.Task.all(tasks);
        return results;
      },
      { activities: { double: (input) => Number(input) * 2 } },
    );
    expect(output).toEqual(Array.from({ length: 1000 }, (_, n) => n * 2));
  });

  it('run one after the other in a chain', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        let value: unknown = context.df.getInput();
        for (let step = 0; step < 10; step += 1) value = yield context.df.callActivity('double', value);
        return value;
      },
      { input: 1, activities: { double: (input) => Number(input) * 2 } },
    );
    expect(output).toBe(1024);
  });

  it('run at most maxConcurrentActivityFunctions at once', async () => {
    let running = 0;
    let most = 0;
    const slow = async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await settle(3);
      running -= 1;
    };
    const hub = await hubWith(
      {
        orchestrators: {
          *main(context: OrchestrationContext) {
            yield context.df.Task.all(Array.from({ length: 20 }, () => context.df.callActivity('slow')));
          },
        },
        activities: { slow },
      },
      { options: { maxConcurrentActivityFunctions: 4 } },
    );
    await hub.until(await hub.start('main'), 'Completed');
    expect(most).toBe(4);
  });

  it.each([
    ['a string that looks like a number', '123', '123'],
    ['a number', 5, 5],
    ['an object', { a: [1] }, { a: [1] }],
    ['nothing', undefined, null],
    ['a bare boolean, which arrives as text', true, 'True'],
  ])('receive %s as the real host hands it over', async (_, input, expected) => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        const received: unknown = yield context.df.callActivity('look', input);
        return received;
      },
      { activities: { look: (received) => ({ received: received === undefined ? 'undefined' : received }) } },
    );
    expect(output).toEqual({ received: expected });
  });

  it('show a failure to the orchestrator with name, message and stack', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        try {
          yield context.df.callActivity('fail');
        } catch (error) {
          return error instanceof Error ? error.message : 'not an error';
        }
        return 'not thrown';
      },
      { activities: { fail: boom } },
    );
    expect(output).toMatch(/^Activity function 'fail' failed: boom \n Error: boom\n {4}at /);
  });

  it('show failure details when the app gives them', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        try {
          yield context.df.callActivity('fail');
        } catch (error) {
          return JSON.stringify(error);
        }
        return 'not thrown';
      },
      {
        activities: {
          fail: () => {
            const properties = { sqlNumber: 1205 };
            const details = { errorType: 'SqlError', errorMessage: 'deadlock', isNonRetriable: false, properties };
            throw new Error(JSON.stringify(details));
          },
        },
      },
    );
    expect(JSON.parse(String(output))).toMatchObject({
      failureDetails: { errorType: 'SqlError', errorMessage: 'deadlock', properties: { sqlNumber: 1205 } },
    });
  });

  it('fail an orchestration that does not catch, with the whole chain in its output', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        yield context.df.callActivity('fail');
      },
      { activities: { fail: boom }, end: 'Failed' },
    );
    expect(output).toMatch(/^Orchestrator function 'main' failed: Activity function 'fail' failed: boom/);
  });

  it('refuse by name what the app has not registered', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        yield context.df.callActivity('missing');
      },
      { activities: { known: boom }, end: 'Failed' },
    );
    expect(output).toMatch(/The function 'missing' doesn't exist.*is not an activity function\. Known are: 'known'/);
  });
});

describe('retries', () => {
  const retrying = (name: string, options: RetryOptions): OrchestrationHandler =>
    function* (context: OrchestrationContext) {
      const value: unknown = yield context.df.callActivityWithRetry(name, options, 'x');
      return value;
    };

  it('wait with back-off between attempts', async () => {
    const options = new RetryOptions(1000, 4);
    options.backoffCoefficient = 2;
    const activity = flaky(3);
    const hub = await hubWith({ orchestrators: { main: retrying('f', options) }, activities: { f: activity.call } });
    const id = await hub.start('main');
    await hub.clock.advance(1000 + 2000 + 3999);
    expect(activity.calls()).toBe(3);
    await hub.clock.advance(1);
    expect((await hub.until(id, 'Completed')).output).toBe('x');
    expect(activity.calls()).toBe(4);
  });

  it('fail with the last failure when the attempts are used up, without waiting once more', async () => {
    const activity = flaky(9);
    const hub = await hubWith({
      orchestrators: { main: retrying('f', new RetryOptions(1000, 2)) },
      activities: { f: activity.call },
    });
    const id = await hub.start('main');
    await hub.clock.advance(1000);
    expect((await hub.until(id, 'Failed')).output).toMatch(/failed: failure 2/);
    expect(activity.calls()).toBe(2);
  });

  it('keep task numbers right in the middle of a fan-out', async () => {
    const activity = flaky(2);
    const { output } = await run(
      function* (context: OrchestrationContext) {
        const { df } = context;
        const retried = df.callActivityWithRetry('f', new RetryOptions(1000, 5), 'retried');
        const first: unknown = yield df.Task.all([df.callActivity('echo', 'a'), retried, df.callActivity('echo', 'b')]);
        const second: unknown = yield df.callActivity('echo', 'after');
        return [first, second];
      },
      { activities: { f: activity.call, echo: (input) => input }, advanceMs: 5000 },
    );
    expect(output).toEqual([['a', 'retried', 'b'], 'after']);
  });

  it('hang, as in Azure, when retryTimeout runs out, and the engine says so', async () => {
    const options = new RetryOptions(1000, 9);
    options.retryTimeoutInMilliseconds = 1500;
    const hub = await hubWith({ orchestrators: { main: retrying('f', options) }, activities: { f: flaky(9).call } });
    const id = await hub.start('main');
    await hub.clock.advance(60_000);
    expect((await hub.status(id)).runtimeStatus).toBe('Running');
    expect(hub.logs.join()).toContain('waits for nothing that can ever happen');
  });
});

describe('timers', () => {
  const inMs = (context: OrchestrationContext, ms: number): Date =>
    new Date(context.df.currentUtcDateTime.getTime() + ms);

  it('fire at their time and not before', async () => {
    const hub = await hubWith({
      orchestrators: {
        *main(context: OrchestrationContext) {
          yield context.df.createTimer(inMs(context, 5000));
          return context.df.currentUtcDateTime.toISOString();
        },
      },
    });
    const id = await hub.start('main');
    await hub.clock.advance(4999);
    expect((await hub.status(id)).runtimeStatus).toBe('Running');
    await hub.clock.advance(1);
    expect((await hub.until(id, 'Completed')).output).toBe('2026-01-01T00:00:05.000Z');
  });

  it('may be longer than the longest that the storage takes at once', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        yield context.df.createTimer(inMs(context, 20 * 24 * 3_600_000));
        return context.df.currentUtcDateTime.toISOString();
      },
      { advanceMs: 20 * 24 * 3_600_000 },
    );
    expect(output).toBe('2026-01-21T00:00:00.000Z');
  });

  it('lose against an activity, and when cancelled hold nothing up', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        const timer = context.df.createTimer(inMs(context, 3_600_000));
        const work = context.df.callActivity('echo', 'done');
        const winner: unknown = yield context.df.Task.any([work, timer]);
        if (winner === work) timer.cancel();
        return winner === work;
      },
      { activities: { echo: (input) => input } },
    );
    expect(output).toBe(true);
  });

  it('keep the instance running until they fire when they are not cancelled', async () => {
    const hub = await hubWith({
      orchestrators: {
        *main(context: OrchestrationContext) {
          const work = context.df.callActivity('echo', 1);
          yield context.df.Task.any([work, context.df.createTimer(inMs(context, 60_000))]);
          return 'ended';
        },
      },
      activities: { echo: (input) => input },
    });
    const id = await hub.start('main');
    await hub.clock.advance(59_999);
    expect((await hub.status(id)).runtimeStatus).toBe('Running');
    await hub.clock.advance(1);
    expect((await hub.until(id, 'Completed')).output).toBe('ended');
  });
});

describe('any and all', () => {
  it('nest', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        const { df } = context;
        const pair = df.Task.all([df.callActivity('echo', 1), df.callActivity('echo', 2)]);
        const never = df.waitForExternalEvent('never');
        const both = df.Task.all([df.Task.any([never, pair]), df.callActivity('echo', 3)]);
        yield both;
        return pair.result;
      },
      { activities: { echo: (input) => input } },
    );
    expect(output).toEqual([1, 2]);
  });

  it('let a caught failure in a fan-out go on to the next step once all have ended', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        const { df } = context;
        try {
          yield df.Task.all([df.callActivity('fail'), df.callActivity('echo', 1)]);
        } catch {
          const next: unknown = yield df.callActivity('echo', 'after');
          return next;
        }
        return 'not thrown';
      },
      { activities: { fail: boom, echo: (input) => input } },
    );
    expect(output).toBe('after');
  });

  it('run tasks again that are given to a second any, a trap of the library that Azure has too', async () => {
    let calls = 0;
    const hub = await hubWith({
      orchestrators: {
        *main(context: OrchestrationContext) {
          const { df } = context;
          const tasks = [df.callActivity('count'), df.waitForExternalEvent('never')];
          yield df.Task.any(tasks);
          yield df.Task.any([...tasks, df.callActivity('count')]);
        },
      },
      activities: { count: () => (calls += 1) },
    });
    await hub.start('main');
    await settle();
    expect(calls).toBe(3);
  });

  it('an empty list fails the orchestration with the reason', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        yield context.df.Task.all([]);
      },
      { end: 'Failed' },
    );
    expect(output).toContain('you must specify at least one Task');
  });
});

describe('an orchestrator', () => {
  it('that yields something else than a task fails with the reason', async () => {
    const notATask: unknown = Promise.resolve();
    const isTask = (value: unknown): value is Task => value !== undefined;
    const { output } = await run(
      function* () {
        if (isTask(notATask)) yield notATask;
      },
      { end: 'Failed' },
    );
    expect(output).toContain('Only Task types can be yielded');
  });

  it('that calls callHttp is refused by name', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        yield context.df.callHttp({ method: 'GET', url: 'http://localhost/' });
      },
      { end: 'Failed' },
    );
    expect(output).toContain('callHttp is not supported');
  });

  it('gets the same guids on every replay, and different ones', async () => {
    const { output } = await run(
      function* (context: OrchestrationContext) {
        const first = context.df.newGuid(context.df.instanceId);
        const echoed: unknown = yield context.df.callActivity('echo', first);
        return [first, echoed, context.df.newGuid(context.df.instanceId)];
      },
      { activities: { echo: (input) => input } },
    );
    const [first, echoed, second] = Array.isArray(output) ? output.map(String) : [];
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect(echoed).toBe(first);
    expect(second).not.toBe(first);
  });

  it('shows its custom status while it runs', async () => {
    const hub = await hubWith({
      orchestrators: {
        *main(context: OrchestrationContext) {
          context.df.setCustomStatus({ stage: 'waiting' });
          yield context.df.waitForExternalEvent('go');
          context.df.setCustomStatus({ stage: 'over' });
        },
      },
    });
    const id = await hub.start('main');
    await settle();
    expect((await hub.status(id)).customStatus).toEqual({ stage: 'waiting' });
    await hub.raise(id, 'go', null);
    expect((await hub.until(id, 'Completed')).customStatus).toEqual({ stage: 'over' });
  });
});
