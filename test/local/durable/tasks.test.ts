import { type OrchestrationContext, type Task } from 'durable-functions';
import { type Hub, startHub, type TestApp } from './support';

const activities = {
  echo: (input: unknown) => input,
  double: (input: unknown) => Number(input) * 2,
  fail: () => {
    throw new Error('boom');
  },
};

describe('activities', () => {
  let hub: Hub | undefined;
  afterEach(async () => hub?.stop());

  async function run(orchestrator: TestApp['orchestrators'][string], input?: unknown): Promise<unknown> {
    hub = await startHub({ orchestrators: { main: orchestrator }, activities });
    const id = await hub.start('main', input);
    return (await hub.until(id, 'Completed')).output;
  }

  it('fan out and in: 1,000 at once, their results in the order of the calls', async () => {
    const output = await run(function* (context: OrchestrationContext) {
      const tasks: Task[] = [];
      for (let n = 0; n < 1000; n += 1) tasks.push(context.df.callActivity('double', n));
      const results: unknown = yield context.df.Task.all(tasks);
      return results;
    });
    expect(output).toEqual(Array.from({ length: 1000 }, (_, n) => n * 2));
  });

  it('run one after the other in a chain', async () => {
    const output = await run(function* (context: OrchestrationContext) {
      let value: unknown = context.df.getInput();
      for (let step = 0; step < 10; step += 1) value = yield context.df.callActivity('double', value);
      return value;
    }, 1);
    expect(output).toBe(1024);
  });
});
