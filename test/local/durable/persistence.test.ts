import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { EntityId, type OrchestrationContext, RetryOptions } from 'durable-functions';
import { createTestClock, type Hub, settle, startHub, temporaryFolder, type TestApp } from './support';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const done = new Set<string>();
const log = new EntityId('Log', 'all');

/** One of everything that has state: fan-out, retry, sub-orchestration, timer, event, entity, new generations. */
const app: TestApp = {
  orchestrators: {
    *main(context: OrchestrationContext) {
      const { df } = context;
      const generation = Number(df.getInput());
      const calls = [1, 2, 3].map((n) => df.callActivity('work', `${generation}-${n}`));
      const retried = df.callActivityWithRetry('flaky', new RetryOptions(1000, 3), `${generation}-flaky`);
      const worked: unknown = yield df.Task.all([...calls, retried]);
      if (generation === 1) {
        df.continueAsNew(2);
        return null;
      }
      const child: unknown = yield df.callSubOrchestrator('child', 'to child', 'the-child');
      const timer = df.createTimer(new Date(df.currentUtcDateTime.getTime() + 600_000));
      const event = df.waitForExternalEvent('go');
      const winner: unknown = yield df.Task.any([event, timer]);
      if (winner === event) timer.cancel();
      df.signalEntity(log, 'add', 'x');
      const logged: unknown = yield df.callEntity(log, 'get');
      return { worked, child, event: event.result, logged };
    },
    *child(context: OrchestrationContext) {
      yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 5000));
      const echoed: unknown = yield context.df.callActivity('work', context.df.getInput());
      return echoed;
    },
  },
  activities: {
    work(input) {
      done.add(String(input));
      return input;
    },
    flaky(input) {
      if (done.has(`tried ${String(input)}`)) return input;
      done.add(`tried ${String(input)}`);
      throw new Error('not yet');
    },
  },
  entities: {
    Log(context) {
      const entries: unknown = context.df.getState(() => []);
      const list = Array.isArray(entries) ? entries.map(String) : [];
      if (context.df.operationName === 'add') context.df.setState([...list, String(context.df.getInput())]);
      else context.df.return(list);
    },
  },
};

const expected = {
  worked: ['2-1', '2-2', '2-3', '2-flaky'],
  child: 'to child',
  event: 'now',
  logged: ['x'],
};

/**
 * The clock of every new hub begins where that of the first one did, so it is also put back each time.
 * Drives the app to its end from whatever the journal says, as clients would that repeat what was not acknowledged. */
async function driveToEnd(hub: Hub, journal: string): Promise<void> {
  if (!journal.includes('"main"')) await hub.start('main', 1, 'main-1');
  await hub.clock.advance(20_000);
  if (!journal.includes('"Name":"go"')) await hub.raise('main-1', 'go', 'now');
  await hub.clock.advance(20_000);
}

async function recordJournal(path: string, options = {}): Promise<string> {
  done.clear();
  const hub = await startHub(app, { journalPath: path, options });
  await driveToEnd(hub, '');
  expect((await hub.until('main-1', 'Completed')).output).toEqual(expected);
  await hub.stop();
  return readFileSync(path, 'utf8');
}

describe('a task hub that was killed', () => {
  it('goes on from every point of its journal and ends right', async () => {
    const lines = (await recordJournal(folder.path('whole'))).split('\n').slice(0, -1);
    expect(lines.length).toBeGreaterThan(25);
    for (let kept = 0; kept <= lines.length; kept += 1) {
      const path = folder.path(`cut-${kept}`);
      const torn = lines[kept]?.slice(0, 20) ?? '';
      const journal = lines
        .slice(0, kept)
        .map((line) => `${line}\n`)
        .join('');
      writeFileSync(path, journal + torn);
      done.clear();

      const hub = await startHub(app, { journalPath: path });
      await driveToEnd(hub, journal);
      const { output } = await hub.until('main-1', 'Completed');
      await hub.stop();
      expect({ kept, output }).toEqual({ kept, output: expected });
    }
  });

  it('runs an activity again that had not ended, and none that had', async () => {
    const path = folder.path('in-flight');
    let calls: string[] = [];
    let hang = true;
    const never = new Promise(() => undefined);
    const inFlight: TestApp = {
      orchestrators: {
        *main(context: OrchestrationContext) {
          const { df } = context;
          const both: unknown = yield df.Task.all([df.callActivity('call', 'ends'), df.callActivity('call', 'hangs')]);
          return both;
        },
      },
      activities: {
        call(input) {
          calls.push(String(input));
          return input === 'hangs' && hang ? never : input;
        },
      },
    };
    const first = await startHub(inFlight, { journalPath: path });
    const id = await first.start('main');
    await settle();
    expect(calls).toEqual(['ends', 'hangs']);

    calls = [];
    hang = false;
    const second = await startHub(inFlight, { journalPath: path });
    expect((await second.until(id, 'Completed')).output).toEqual(['ends', 'hangs']);
    expect(calls).toEqual(['hangs']);
    await first.clock.advance(0);
    await second.stop();
  });

  it('fires at once a timer that came due while it was down', async () => {
    const path = folder.path('overdue');
    const sleeper: TestApp = {
      orchestrators: {
        *main(context: OrchestrationContext) {
          yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 60_000));
        },
      },
    };
    const first = await startHub(sleeper, { journalPath: path });
    const id = await first.start('main');
    await settle();
    await first.stop();
    const later = createTestClock(first.clock.nowMs() + 3_600_000);
    const second = await startHub(sleeper, { journalPath: path, clock: later });
    await later.advance(0);
    await second.until(id, 'Completed');
    await second.stop();
  });

  it('still knows finished instances, and no purged ones', async () => {
    const path = folder.path('finished');
    await recordJournal(path);
    const second = await startHub(app, { journalPath: path });
    expect((await second.status('main-1')).output).toEqual(expected);
    expect((await second.status('the-child', 'showHistory=true')).historyEvents?.at(-1)?.EventType).toBe(
      'ExecutionCompleted',
    );
    await second.request('DELETE', 'instances/main-1');
    await second.stop();

    const third = await startHub(app, { journalPath: path });
    expect((await third.request('GET', 'instances/main-1')).status).toBe(404);
    expect((await third.status('the-child')).runtimeStatus).toBe('Completed');
    await third.stop();
  });

  it('goes on from a journal that was compacted at any time', async () => {
    const path = folder.path('compacting');
    const copies: string[] = [];
    const recording = await startHub(app, {
      journalPath: path,
      options: { compactAfterBytes: 1 },
      around: (inner) => ({
        invoke: (name, trigger) => {
          copies.push(readFileSync(path, 'utf8'));
          return inner.invoke(name, trigger);
        },
      }),
    });
    done.clear();
    await driveToEnd(recording, '');
    await recording.stop();
    expect(copies.length).toBeGreaterThan(20);
    for (const [index, journal] of copies.entries()) {
      writeFileSync(folder.path(`copy-${index}`), journal);
      done.clear();
      const hub = await startHub(app, { journalPath: folder.path(`copy-${index}`) });
      await driveToEnd(hub, journal);
      const { output } = await hub.until('main-1', 'Completed');
      await hub.stop();
      expect({ index, output }).toEqual({ index, output: expected });
    }
  });

  it('comes to the same end when the journal is compacted all the time', async () => {
    const path = folder.path('compacted');
    await recordJournal(path, { compactAfterBytes: 1 });
    const second = await startHub(app, { journalPath: path });
    expect((await second.status('main-1')).output).toEqual(expected);
    expect((await second.request('GET', 'entities/Log/all')).body).toEqual(['x']);
    await second.stop();
  });
});

describe('a task hub that is stopped', () => {
  it('waits for running activities, starts nothing more, and refuses requests', async () => {
    let release = (): void => undefined;
    let calls = 0;
    const path = folder.path('stopped');
    const slow: TestApp = {
      orchestrators: {
        *main(context: OrchestrationContext) {
          yield context.df.callActivity('slow');
          yield context.df.callActivity('slow');
        },
      },
      activities: {
        slow: () => {
          calls += 1;
          return new Promise<void>((resolve) => (release = resolve));
        },
      },
    };
    const hub = await startHub(slow, { journalPath: path });
    const id = await hub.start('main');
    await settle();
    const stopped = hub.engine.stop(10_000);
    release();
    await stopped;
    expect(calls).toBe(1);
    expect((await hub.request('GET', `instances/${id}`)).status).toBe(503);

    const again = await startHub(slow, { journalPath: path });
    await settle();
    expect(calls).toBe(2);
    release();
    await again.until(id, 'Completed');
    await again.stop();
  });
});

describe('the size of a task hub', () => {
  const many: TestApp = {
    orchestrators: {
      *main(context: OrchestrationContext) {
        for (let n = 0; n < 5; n += 1) yield context.df.callActivity('echo', 'x'.repeat(200));
      },
    },
    activities: { echo: (input) => input },
  };

  it('does not keep the histories of finished instances beyond a limit, the youngest stay', async () => {
    const hub = await startHub(many, { options: { finishedHistoryBytes: 20_000 } });
    const ids: string[] = [];
    for (let n = 0; n < 20; n += 1) {
      ids.push(await hub.start('main'));
      await hub.until(ids.at(-1) ?? '', 'Completed');
    }
    const kept = ids.filter((id) => hub.engine.exportHistory(id) !== null);
    const bytes = hub.engine.counters(ids[0] ?? '')?.historyBytes ?? Infinity;
    expect(kept).toEqual(ids.slice(-Math.floor(20_000 / bytes)));
    const dropped = await hub.request('GET', `instances/${ids[0]}?showHistory=true`);
    expect(dropped.headers.warning).toContain('was dropped');
    await hub.stop();
  });

  it('stays small on disk when what has finished is purged', async () => {
    const path = folder.path('small');
    const hub = await startHub(many, { journalPath: path, options: { compactAfterBytes: 20_000 } });
    for (let n = 0; n < 40; n += 1) {
      const id = await hub.start('main');
      await hub.until(id, 'Completed');
      await hub.request('DELETE', `instances/${id}`);
    }
    await hub.stop();
    expect(statSync(path).size).toBeLessThan(40_000);
  });

  it('an orchestration of new generations keeps the size of its history', async () => {
    const rounds = async (count: number): Promise<number> => {
      const hub = await startHub({
        orchestrators: {
          *main(context: OrchestrationContext) {
            const left = Number(context.df.getInput());
            yield context.df.callActivity('echo', 1);
            if (left > 1) context.df.continueAsNew(left - 1);
          },
        },
        activities: { echo: (input) => input },
      });
      const id = await hub.start('main', count);
      await hub.until(id, 'Completed');
      await hub.stop();
      return hub.engine.counters(id)?.maximumHistoryEvents ?? NaN;
    };
    expect(await rounds(100)).toBe(await rounds(2));
  });
});
