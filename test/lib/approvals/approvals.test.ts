import { randomUUID } from 'node:crypto';
import { createApprovalServices } from '../../../lib/approvals/services';
import { type ApprovalRequest } from '../../../lib/platform/approvals';
import { createAudit } from '../../../lib/platform/audit';
import { type FleetEvent } from '../../../lib/platform/cloud-events';
import { type Orchestrations } from '../../../lib/platform/durable';
import { createLogger } from '../../../lib/platform/logger';
import { startTestDocuments, type TestDocuments } from '../../support/documents';

let documents: TestDocuments;
beforeAll(async () => void (documents = await startTestDocuments()));
afterAll(() => documents.stop());

const minuteMs = 60_000;

function setUp() {
  let nowMs = Date.parse('2026-03-06T17:00:00Z');
  const published: FleetEvent[] = [];
  const woken: string[] = [];
  const clock = { nowMs: () => nowMs, sleep: async (ms: number) => void (nowMs += ms) };
  const audit = createAudit(documents.store('audit'), { clock, newId: randomUUID });
  const id = `approval-${randomUUID()}`;
  const approvals = createApprovalServices({
    documents: documents.store('approvals'),
    audit,
    fleetEvents: {
      // Other tests' approvals are looked after too.
      publish: async (event) => void (event.subject === `approvals/${id}` && published.push(event)),
    },
    clock,
    logger: createLogger(() => undefined),
  });
  const orchestrations: Orchestrations = {
    start: async () => undefined,
    status: async () => ({ state: 'running' }),
    wake: async (instanceId) => void (instanceId === `waits-for-${id}` && woken.push(instanceId)),
  };
  const ask = (changes: Partial<ApprovalRequest> = {}) =>
    approvals.request({
      id,
      subject: 'builds/one',
      title: 'Build one',
      hash: 'hash-1',
      requester: 'rita@example.com',
      approvers: ['Ada@example.com', 'bob@example.com'],
      approverMustDiffer: true,
      expiresAtMs: nowMs + 60 * minuteMs,
      reminderEveryMs: 20 * minuteMs,
      wakeInstanceId: `waits-for-${id}`,
      ...changes,
    });
  const decide = (actor: string, decision: 'approve' | 'reject' = 'approve', hash?: string) =>
    approvals.decide(
      id,
      { decision, actor, reason: 'looked at it', ...(hash === undefined ? {} : { hash }) },
      orchestrations,
    );
  const audited = async () => (await audit.list(`approvals/${id}`, { pageSize: 100, continuation: null })).items;
  const pass = (minutes: number): void => void (nowMs += minutes * minuteMs);
  return { approvals, orchestrations, published, woken, id, ask, decide, audited, pass };
}

test('a person approves: stored, audited, published, and whoever waits is woken', async () => {
  const { approvals, ask, decide, id, published, woken, audited } = setUp();
  expect(await ask()).toMatchObject({ state: 'pending', decision: null });
  await decide('ada@EXAMPLE.com');
  expect(await approvals.read(id)).toMatchObject({ state: 'approved', decision: { actor: 'ada@EXAMPLE.com' } });
  expect(published.map(({ type }) => type)).toEqual(['Sqlfleet.Approvals.Requested', 'Sqlfleet.Approvals.Approved']);
  expect(woken).toEqual([`waits-for-${id}`]);
  expect((await audited()).map(({ action, actor }) => [action, actor])).toEqual([
    ['request', 'rita@example.com'],
    ['approved', 'ada@EXAMPLE.com'],
  ]);
});

test('asking twice is one question; the same id for something else is refused', async () => {
  const { ask, decide, published } = setUp();
  await ask();
  await decide('ada@example.com', 'reject');
  expect(await ask()).toMatchObject({ state: 'rejected' });
  expect(published.filter(({ type }) => type.endsWith('Requested'))).toHaveLength(1);
  await expect(ask({ hash: 'hash-2' })).rejects.toMatchObject({ code: 'approvals.otherContent', status: 409 });
});

test.each([
  ['somebody who is not an approver', ['ada@example.com'], 'eve@example.com'],
  ['who asked for it, in other letters', [], ' RITA@example.com'],
  ['who asked for it, although named as an approver', ['rita@example.com'], 'rita@example.com'],
])('%s may not decide', async (_who, approvers, actor) => {
  const { approvals, ask, decide, id } = setUp();
  await ask({ approvers });
  await expect(decide(actor)).rejects.toMatchObject({ code: 'approvals.forbidden', status: 403 });
  expect(await approvals.read(id)).toMatchObject({ state: 'pending' });
});

test('without named approvers anybody else may decide; and the requester too where that is allowed', async () => {
  const open = setUp();
  await open.ask({ approvers: [] });
  expect(await open.decide('anybody')).toMatchObject({ state: 'approved' });
  const own = setUp();
  await own.ask({ approvers: [], approverMustDiffer: false });
  expect(await own.decide('rita@example.com')).toMatchObject({ state: 'approved' });
});

test('what is decided stays decided, and the same decision sent again answers the same', async () => {
  const { ask, decide, audited } = setUp();
  await ask();
  await decide('ada@example.com');
  expect(await decide('ada@example.com')).toMatchObject({ state: 'approved' });
  await expect(decide('bob@example.com', 'reject')).rejects.toMatchObject({ code: 'approvals.final', status: 409 });
  expect((await audited()).filter(({ action }) => action !== 'request')).toHaveLength(1);
});

test('of many who decide at the same time, one does', async () => {
  const { approvals, ask, decide, id, published } = setUp();
  await ask({ approvers: [] });
  const answers = await Promise.allSettled(
    Array.from({ length: 8 }, (_, index) => decide(`approver-${index}`, index % 2 === 0 ? 'approve' : 'reject')),
  );
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const { state } = await approvals.read(id);
  expect(published.slice(1).map(({ type }) => type)).toEqual([
    `Sqlfleet.Approvals.${state === 'approved' ? 'Approved' : 'Rejected'}`,
  ]);
});

test('a decision about something else than what was asked is refused', async () => {
  const { ask, decide } = setUp();
  await ask();
  await expect(decide('ada@example.com', 'approve', 'hash-0')).rejects.toMatchObject({
    code: 'approvals.otherContent',
  });
  expect(await decide('ada@example.com', 'approve', 'hash-1')).toMatchObject({ state: 'approved' });
});

test('once somebody has read that it expired, nobody can approve it, not even with a clock that is behind', async () => {
  const { approvals, ask, decide, id, pass } = setUp();
  await ask();
  pass(60);
  expect(await approvals.read(id)).toMatchObject({ state: 'expired', decision: { actor: 'sqlfleet' } });
  pass(-10);
  await expect(decide('ada@example.com')).rejects.toMatchObject({ code: 'approvals.final', status: 409 });
});

test('reminders are published while it waits, each once; then it expires and whoever waits is woken', async () => {
  const { approvals, orchestrations, ask, id, published, woken, pass } = setUp();
  await ask();
  published.length = 0;
  for (let minute = 0; minute < 70; minute += 5) {
    await approvals.expire(orchestrations);
    await approvals.expire(orchestrations);
    pass(5);
  }
  expect(published.map(({ type }) => type.replace('Sqlfleet.Approvals.', ''))).toEqual([
    'Reminded',
    'Reminded',
    'Expired',
  ]);
  expect(new Set(published.map(({ id: eventId }) => eventId)).size).toBe(3);
  expect(woken).toEqual([`waits-for-${id}`]);
});

test('a question is taken back once, and not after it was decided', async () => {
  const { approvals, ask, decide, id } = setUp();
  await approvals.withdraw(id, { actor: 'sqlfleet', reason: 'never asked' });
  await ask();
  await approvals.withdraw(id, { actor: 'rita', reason: 'cancelled' });
  expect(await approvals.read(id)).toMatchObject({ state: 'withdrawn', decision: { actor: 'rita' } });
  await expect(decide('ada@example.com')).rejects.toMatchObject({ status: 409 });
});

test('lists page by page, newest first, by state', async () => {
  const { approvals, pass } = setUp();
  const ids = Array.from({ length: 5 }, () => `listed-${randomUUID()}`);
  for (const id of ids) {
    pass(1_000_000);
    const about = { subject: 's', title: 't', hash: 'h', requester: 'r', approvers: [], wakeInstanceId: null };
    await approvals.request({ ...about, id, approverMustDiffer: false, expiresAtMs: 8e15, reminderEveryMs: null });
  }
  await approvals.withdraw(ids[1] ?? '', { actor: 'a', reason: 'r' });
  const listed: string[] = [];
  let continuation: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof approvals.list>> = await approvals.list({
      states: ['pending'],
      pageSize: 2,
      continuation,
    });
    listed.push(...page.items.map(({ id }) => id));
    continuation = page.continuation;
  } while (continuation !== null);
  expect(listed.slice(0, 4)).toEqual([ids[4], ids[3], ids[2], ids[0]]);
});
