import { heartbeatIntervalMs, lostAfterMs } from '../../../lib/clusters/model';
import { type Cluster, type Heartbeat, heartbeatId } from '../../../lib/clusters/schema';
import { coversAllOf, statusAt as statusWith } from '../../../lib/clusters/status';
import { cluster } from './fixtures';

const nowMs = Date.parse('2026-01-01T12:00:00Z');
const heartbeatLostAfterMs = lostAfterMs(heartbeatIntervalMs);
const statusAt = (of: Cluster, beats: readonly Heartbeat[], atMs: number) =>
  statusWith(of, beats, atMs, heartbeatLostAfterMs);

function heartbeat(fields: Partial<Heartbeat> = {}): Heartbeat {
  const workerId = fields.workerId ?? 'w1';
  return {
    id: heartbeatId('a', 1, workerId),
    partition: 'heartbeats',
    clusterId: 'a',
    generation: 1,
    workerId,
    atMs: nowMs - 1_000,
    slots: 4,
    busy: 1,
    stopping: false,
    version: '1',
    ...fields,
  };
}

describe('the status of a cluster', () => {
  it('is active while a worker reports, with what the workers can do together', () => {
    const beats = [heartbeat(), heartbeat({ workerId: 'w2', slots: 2, busy: 2 })];
    expect(statusAt(cluster('a'), beats, nowMs)).toMatchObject({ status: 'active', slots: 6, busy: 3 });
  });

  it('is unhealthy within a minute after the last worker fell silent', () => {
    const beats = [heartbeat({ atMs: nowMs })];
    expect(statusAt(cluster('a'), beats, nowMs + heartbeatLostAfterMs - 1).status).toBe('active');
    const silent = statusAt(cluster('a'), beats, nowMs + heartbeatLostAfterMs);
    expect(silent).toMatchObject({ status: 'unhealthy', slots: null, lastHeartbeatAt: '2026-01-01T12:00:00.000Z' });
    expect(heartbeatLostAfterMs).toBeLessThan(60_000);
  });

  it('counts no worker that is stopping, nor one of another cluster or of an earlier registration', () => {
    const others = [
      heartbeat({ stopping: true }),
      heartbeat({ workerId: 'w2', clusterId: 'b' }),
      heartbeat({ workerId: 'w3', generation: 2 }),
    ];
    expect(statusAt(cluster('a'), others, nowMs).status).toBe('unhealthy');
  });

  it('needs no report of the app itself, nor of workers that messages start', () => {
    expect(statusAt(cluster('managed'), [], nowMs).status).toBe('active');
    expect(statusAt(cluster('a', { startsOnDemand: true }), [], nowMs).status).toBe('active');
  });

  it('is what an admin made it, whatever the workers say', () => {
    const beats = [heartbeat()];
    expect(statusAt(cluster('a', { isActive: false }), beats, nowMs).status).toBe('inactive');
    expect(statusAt(cluster('a', { lifecycle: 'draining' }), beats, nowMs).status).toBe('draining');
    expect(statusAt(cluster('a', { lifecycle: 'gone' }), beats, nowMs).status).toBe('inactive');
    expect(statusAt(cluster('a', { lifecycle: 'registering' }), beats, nowMs).status).toBe('inactive');
  });
});

describe('a successor', () => {
  it('serves everybody whom the cluster served', () => {
    const open = cluster('open');
    const one = cluster('one', { scmOrganizations: ['Contoso'] });
    const both = cluster('both', { scmOrganizations: ['contoso', 'fabrikam'] });
    expect([coversAllOf(open, one), coversAllOf(both, one), coversAllOf(open, open)]).toEqual([true, true, true]);
    expect([coversAllOf(one, both), coversAllOf(one, open)]).toEqual([false, false]);
    expect(coversAllOf(cluster('x', { scmContext: 'github:a' }), one)).toBe(false);
  });
});
