import { setTimeout as delay } from 'node:timers/promises';
import { registerApp, until } from '../sample-host';
import { laneApp, openBusWithHost, type BusWithHost } from './bus-with-host';

let bus: BusWithHost;
beforeEach(async () => {
  bus = await openBusWithHost();
});
afterEach(() => bus.close());

describe('when the broker fails', () => {
  test.each(['reset', 'forced'] as const)('a connection that is cut (%s) loses no message', async (how) => {
    const done = new Set<unknown>();
    let runs = 0;
    const app = await registerApp(({ app }) => {
      const handler = async (message: unknown): Promise<void> => {
        runs += 1;
        await delay(20);
        done.add(message);
      };
      app.serviceBusQueue('single', { connection: 'Bus', queueName: 'work', handler });
      app.serviceBusQueue('laned', { connection: 'Bus', queueName: 'lanes', isSessionsEnabled: true, handler });
    });
    await bus.send(
      'work',
      Array.from({ length: 100 }, (_, index) => ({ body: `work-${index}` })),
    );
    await bus.send(
      'lanes',
      Array.from({ length: 100 }, (_, i) => ({ body: `lane-${i}`, sessionId: `s${i % 10}` })),
    );
    const { log } = await bus.host(app, {
      maxConcurrentCalls: 4,
      maxConcurrentSessions: 4,
      sessionIdleTimeout: '00:00:00.1',
    });
    for (let cut = 0; cut < 3; cut += 1) {
      await delay(150);
      bus.broker.faults.dropConnections(how);
    }
    await until('every message is handled', () => done.size === 200);
    expect(runs).toBeLessThan(260);
    const told = log.filter(({ source, level }) => source === 'host' && level === 'warning');
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(20);
  });

  test('it goes on when the broker is back', async () => {
    const done = new Set<unknown>();
    const { log } = await bus.host(await laneApp((message) => void done.add(message)), { maxConcurrentSessions: 2 });
    await delay(100);
    await bus.broker.faults.listenerDown();
    await delay(1_500);
    await bus.broker.faults.listenerUp();
    await bus.send('lanes', [{ body: 'after', sessionId: 's' }]);
    await until('the message is handled', () => done.has('after'));
    expect(log.some(({ message }) => message.endsWith('works again.'))).toBe(true);
  });

  test('an answer to a completion that is lost costs no message', async () => {
    const seen: unknown[] = [];
    bus.broker.faults.set([{ operation: 'settle', entity: 'lanes', times: 1, action: { kind: 'loseAnswer' } }]);
    await bus.host(await laneApp((message) => void seen.push(message)), { maxConcurrentSessions: 1 });
    await bus.send('lanes', [
      { body: 1, sessionId: 's' },
      { body: 2, sessionId: 's' },
    ]);
    await until('both are handled', () => seen.includes(1) && seen.includes(2));
    await delay(100);
    expect(await bus.left('lanes')).toBe(0);
  });
});
