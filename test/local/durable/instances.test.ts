import { EntityId, type OrchestrationContext, type OrchestrationHandler, RetryOptions } from 'durable-functions';
import { type Hub, settle, startHub, type TestApp } from './support';

const hubs: Hub[] = [];
afterEach(async () => Promise.all(hubs.splice(0).map(async (hub) => hub.stop())));

async function hubWith(orchestrators: TestApp['orchestrators'], rest: Partial<TestApp> = {}): Promise<Hub> {
  const hub = await startHub({ orchestrators, activities: { echo: (input) => input }, ...rest });
  hubs.push(hub);
  return hub;
}

function* waits(context: OrchestrationContext): ReturnType<OrchestrationHandler> {
  const value: unknown = yield context.df.waitForExternalEvent('go');
  return value;
}

describe('sub-orchestrations', () => {
  it('return their output, get their input, and know their parent', async () => {
    const hub = await hubWith({
      *main(context: OrchestrationContext) {
        const output: unknown = yield context.df.callSubOrchestrator('child', { n: 1 }, 'child-1');
        return output;
      },
      *child(context: OrchestrationContext) {
        const echoed: unknown = yield context.df.callActivity('echo', context.df.getInput());
        return { echoed, parent: context.df.parentInstanceId };
      },
    });
    const id = await hub.start('main', undefined, 'parent-1');
    expect((await hub.until(id, 'Completed')).output).toEqual({ echoed: { n: 1 }, parent: 'parent-1' });
    expect((await hub.status('child-1')).runtimeStatus).toBe('Completed');
  });

  it('get an id of their own when none is given', async () => {
    const hub = await hubWith({
      *main(context: OrchestrationContext) {
        const { df } = context;
        const ids: unknown = yield df.Task.all([df.callSubOrchestrator('child'), df.callSubOrchestrator('child')]);
        return ids;
      },
      *child(context: OrchestrationContext) {
        return context.df.instanceId;
      },
    });
    const { output } = await hub.until(await hub.start('main'), 'Completed');
    const [first, second] = Array.isArray(output) ? output.map(String) : [];
    expect(first).toMatch(/^id\d+:0$/);
    expect(second).toBe(first?.replace(':0', ':1'));
  });

  it('that fail can be caught and retried', async () => {
    let runs = 0;
    const hub = await hubWith(
      {
        *main(context: OrchestrationContext) {
          const { df } = context;
          let caught = '';
          try {
            yield df.callSubOrchestrator('failing');
          } catch (error) {
            caught = error instanceof Error ? error.message : '';
          }
          const retried: unknown = yield df.callSubOrchestratorWithRetry('flaky', new RetryOptions(1000, 3));
          return [caught, retried];
        },
        *failing() {
          throw new Error('broken');
        },
        *flaky(context: OrchestrationContext) {
          const run: unknown = yield context.df.callActivity('count');
          if (run === 1) throw new Error('not yet');
          return run;
        },
      },
      { activities: { count: () => (runs += 1) } },
    );
    const id = await hub.start('main');
    await hub.clock.advance(1000);
    const { output } = await hub.until(id, 'Completed');
    expect(output).toEqual([expect.stringContaining("Orchestrator function 'failing' failed: broken"), 2]);
  });

  it('fail at once when their id is taken by a running instance', async () => {
    const hub = await hubWith({
      *main(context: OrchestrationContext) {
        yield context.df.callSubOrchestrator('waits', undefined, 'taken');
      },
      waits,
    });
    await hub.start('waits', undefined, 'taken');
    const { output } = await hub.until(await hub.start('main'), 'Failed');
    expect(output).toContain("An orchestration instance with the id 'taken' is already running.");
  });
});

describe('external events', () => {
  it('that come before they are awaited wait, the first one first', async () => {
    const hub = await hubWith({
      *main(context: OrchestrationContext) {
        yield context.df.waitForExternalEvent('start');
        const first: unknown = yield context.df.waitForExternalEvent('item');
        const second: unknown = yield context.df.waitForExternalEvent('item');
        return [first, second];
      },
    });
    const id = await hub.start('main');
    await settle();
    await hub.raise(id, 'item', 1);
    await settle();
    await hub.raise(id, 'item', { n: 2 });
    await hub.raise(id, 'start', null);
    expect((await hub.until(id, 'Completed')).output).toEqual([1, { n: 2 }]);
  });

  it('race a timer', async () => {
    const hub = await hubWith({
      *main(context: OrchestrationContext) {
        const answers: string[] = [];
        for (let round = 0; round < 2; round += 1) {
          const deadline = new Date(context.df.currentUtcDateTime.getTime() + 10_000);
          const timer = context.df.createTimer(deadline);
          const event = context.df.waitForExternalEvent(`approve${round}`);
          const winner: unknown = yield context.df.Task.any([event, timer]);
          answers.push(winner === event ? 'event' : 'timer');
          if (winner === event) timer.cancel();
        }
        return answers;
      },
    });
    const id = await hub.start('main');
    await settle();
    await hub.raise(id, 'approve0', true);
    await hub.clock.advance(10_000);
    expect((await hub.until(id, 'Completed')).output).toEqual(['event', 'timer']);
  });
});

describe('continueAsNew', () => {
  it('goes on with new input, a new history and the same id', async () => {
    const hub = await hubWith({
      *main(context: OrchestrationContext) {
        const n = Number(context.df.getInput());
        yield context.df.callActivity('echo', n);
        if (n < 50) context.df.continueAsNew(n + 1);
        return n;
      },
    });
    const id = await hub.start('main', 1);
    expect((await hub.until(id, 'Completed')).output).toBe(50);
    const counters = hub.engine.counters(id);
    expect(counters).toMatchObject({ generations: 50, maximumHistoryEvents: counters?.historyEvents });
    expect(counters?.historyEvents).toBeLessThan(12);
    expect(hub.engine.allCounters()).toMatchObject({ [id]: counters });
  });

  it('loses no event that comes between two generations of an eternal orchestration', async () => {
    const hub = await hubWith({
      *main(context: OrchestrationContext) {
        const seen = Number(context.df.getInput());
        yield context.df.waitForExternalEvent('tick');
        yield context.df.callActivity('echo', seen);
        if (seen + 1 < 30) context.df.continueAsNew(seen + 1);
        return seen + 1;
      },
    });
    const id = await hub.start('main', 0);
    for (let n = 0; n < 30; n += 1) {
      await hub.raise(id, 'tick', n);
      // One at a time: an event that a generation received and never awaited ends with that generation, as in Azure.
      await settle(12);
    }
    expect((await hub.until(id, 'Completed')).output).toBe(30);
  });

  it('keeps strings strings', async () => {
    const hub = await hubWith({
      *main(context: OrchestrationContext) {
        const input: unknown = context.df.getInput();
        if (input === 'first') context.df.continueAsNew('123');
        return input;
      },
    });
    expect((await hub.until(await hub.start('main', 'first'), 'Completed')).output).toBe('123');
  });

  it('of a sub-orchestration still answers the parent at the end', async () => {
    const hub = await hubWith({
      *main(context: OrchestrationContext) {
        const output: unknown = yield context.df.callSubOrchestrator('child', 0);
        return output;
      },
      *child(context: OrchestrationContext) {
        const n = Number(context.df.getInput());
        if (n < 3) context.df.continueAsNew(n + 1);
        return `after ${n}`;
      },
    });
    expect((await hub.until(await hub.start('main'), 'Completed')).output).toBe('after 3');
  });
});

describe('suspend, resume and terminate', () => {
  it('a suspended instance keeps what arrives and goes on when resumed', async () => {
    const hub = await hubWith({ waits });
    const id = await hub.start('waits');
    await settle();
    expect((await hub.request('POST', `instances/${id}/suspend?reason=lunch`)).status).toBe(202);
    await hub.raise(id, 'go', 'late');
    await settle();
    expect((await hub.status(id)).runtimeStatus).toBe('Suspended');
    await hub.request('POST', `instances/${id}/resume`);
    expect((await hub.until(id, 'Completed')).output).toBe('late');
  });

  it('a terminated instance ends with the reason, also when it is suspended', async () => {
    const hub = await hubWith({ waits });
    const id = await hub.start('waits');
    await hub.request('POST', `instances/${id}/suspend`);
    expect((await hub.request('POST', `instances/${id}/terminate?reason=enough`)).status).toBe(202);
    expect((await hub.until(id, 'Terminated')).output).toBe('enough');
  });

  it('a terminated instance takes no answer any more from what it started', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const hub = await hubWith(
      {
        *main(context: OrchestrationContext) {
          yield context.df.callActivity('slow');
        },
      },
      { activities: { slow: () => gate } },
    );
    const id = await hub.start('main');
    await settle();
    await hub.request('POST', `instances/${id}/terminate?reason=stop`);
    await hub.until(id, 'Terminated');
    release();
    await settle();
    expect((await hub.status(id)).runtimeStatus).toBe('Terminated');
  });

  it('a parent sees a terminated sub-orchestration as failed', async () => {
    const hub = await hubWith({
      *main(context: OrchestrationContext) {
        yield context.df.callSubOrchestrator('waits', undefined, 'child');
      },
      waits,
    });
    const id = await hub.start('main');
    await settle();
    await hub.request('POST', 'instances/child/terminate?reason=over');
    expect((await hub.until(id, 'Failed')).output).toContain('over');
  });
});

describe('entities', () => {
  const counter = new EntityId('Counter', 'one');
  const entities: TestApp['entities'] = {
    Counter(context) {
      const value = Number(context.df.getState(() => 0));
      switch (context.df.operationName) {
        case 'add':
          return context.df.setState(value + Number(context.df.getInput()));
        case 'get':
          return context.df.return(value);
        case 'delete':
          return context.df.destructOnExit();
        case 'relay':
          return context.df.signalEntity(new EntityId('Counter', 'two'), 'add', context.df.getInput());
        default:
          throw new Error('unknown operation');
      }
    },
  };

  it('take signals in order, answer calls, and keep their state', async () => {
    const hub = await hubWith(
      {
        *main(context: OrchestrationContext) {
          context.df.signalEntity(counter, 'add', 2);
          context.df.signalEntity(counter, 'add', 3);
          const value: unknown = yield context.df.callEntity(counter, 'get');
          yield context.df.callActivity('echo', 1);
          return value;
        },
      },
      { entities },
    );
    expect((await hub.until(await hub.start('main'), 'Completed')).output).toBe(5);
    expect((await hub.request('GET', 'entities/counter/one')).body).toBe(5);
  });

  it('show a failed operation to the caller', async () => {
    const hub = await hubWith(
      {
        *main(context: OrchestrationContext) {
          try {
            yield context.df.callEntity(counter, 'nonsense');
          } catch {
            return 'caught';
          }
          return 'not thrown';
        },
      },
      { entities },
    );
    expect((await hub.until(await hub.start('main'), 'Completed')).output).toBe('caught');
  });

  it('signal one another, and are gone when they destruct', async () => {
    const hub = await hubWith({ waits }, { entities });
    await hub.request('POST', 'entities/Counter/one?op=add', 1);
    await hub.request('POST', 'entities/Counter/one?op=relay', 7);
    await settle();
    expect((await hub.request('GET', 'entities/Counter/two')).body).toBe(7);
    await hub.request('DELETE', 'entities/Counter/two');
    await settle();
    expect((await hub.request('GET', 'entities/Counter/two')).status).toBe(404);
    expect((await hub.request('POST', 'entities/Nobody/two?op=add', 1)).status).toBe(400);
  });
});
