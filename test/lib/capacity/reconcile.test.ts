import { type ServerState, serverStates } from '../../../lib/capacity/model';
import { policySchema } from '../../../lib/capacity/policy';
import { type ObservedServer, reconcile } from '../../../lib/capacity/reconcile';
import { type Server } from '../../../lib/capacity/schema';
import { aServer, environment, ownTags, region } from '../../support/capacity';

const policy = policySchema.parse({});
const name = `sql-${environment}-${region}-007`;
const hourMs = 3_600_000;
const nowMs = 1_000 * hourMs;

const observed = (changes: Partial<ObservedServer> = {}): ObservedServer => ({
  name,
  region,
  resourceGroup: 'sqlfleet',
  tags: { ...ownTags },
  state: 'Ready',
  fullyQualifiedDomainName: `${name}.database.windows.net`,
  ...changes,
});

/** What becomes of the document, and which alerts there are. */
function verdict(
  document: Server | null,
  server: ObservedServer | null,
  adoption: 'automatic' | 'manual' = 'automatic',
) {
  const { changes, conditions } = reconcile(
    {
      region,
      environment,
      nowMs,
      documents: document === null ? [] : [document],
      damaged: [],
      observed: server === null ? [] : [server],
    },
    { ...policy, adoption },
  );
  const [change] = changes;
  const to = change === undefined ? null : change.kind === 'correct' ? change.to : change.kind;
  return [to, ...conditions.map(({ class: kind }) => kind)];
}

/** In a state since the beginning of time: whatever may time out has. */
const of = (state: ServerState, changes: Partial<Server> = {}): Server => aServer(name, { state, ...changes });
const retirement = { actor: 'ada', reason: 'because', at: new Date(0).toISOString() };
const unsecured = { security: { verifiedAt: null, steps: {}, openings: [] } };

describe('a document against a server', () => {
  it.each<[string, Server, (string | null)[]]>([
    ['requested', of('requested'), ['securing']],
    ['creating', of('creating'), ['securing']],
    ['securing', of('securing'), [null, 'securing-stuck']],
    ['ready', of('ready'), [null]],
    ['ready, never secured', of('ready', unsecured), ['securing']],
    ['draining, asked for', of('draining', { retirement }), [null]],
    ['draining, not asked for', of('draining'), ['securing']],
    ['retired, asked for', of('retired', { retirement }), [null, 'retired-exists']],
    ['retired, not asked for', of('retired'), ['securing']],
    ['failed', of('failed'), ['securing']],
    ['missing', of('missing'), ['securing']],
    ['quarantined', of('quarantined'), ['securing']],
  ])('%s, and the server is there with our tags', (_what, document, expected) => {
    expect(verdict(document, observed())).toEqual(expected);
  });

  it.each<[string, Server, (string | null)[]]>([
    ['requested, long ago', of('requested'), ['failed']],
    ['creating, long ago', of('creating'), ['failed']],
    ['securing', of('securing'), ['missing', 'server-missing']],
    ['ready', of('ready'), ['missing', 'server-missing']],
    ['draining, asked for', of('draining', { retirement }), ['retired']],
    ['draining, not asked for', of('draining'), ['missing', 'server-missing']],
    ['retired, asked for', of('retired', { retirement }), [null]],
    ['retired, not asked for', of('retired'), ['missing', 'server-missing']],
    ['failed', of('failed'), [null]],
    ['missing', of('missing'), [null, 'server-missing']],
    ['quarantined', of('quarantined'), ['missing', 'server-missing']],
  ])('%s, and there is no server', (_what, document, expected) => {
    expect(verdict(document, null)).toEqual(expected);
  });

  it('leaves a creation that has just begun alone', () => {
    const at = new Date(nowMs - 60_000).toISOString();
    const creation = { ...aServer(name).creation, requestedAt: at, startedAt: at };
    for (const state of ['requested', 'creating'] as const) {
      expect(verdict(of(state, { creation }), null)).toEqual([null]);
    }
    expect(verdict(of('creating', { creation }), observed({ state: 'Creating' }))).toEqual([null]);
  });

  it.each(['requested', 'creating', 'failed', 'missing'] as const)(
    'does not take a server without our tags into service because a document that is %s has its name',
    (state) => {
      expect(verdict(of(state), observed({ tags: { owner: 'somebody else' } }))).toEqual([null, 'unknown-server']);
    },
  );

  it('places nothing on a server that Azure has disabled, whatever is said of adoption, until it is ready again', () => {
    const disabled = observed({ state: 'Disabled' });
    expect(verdict(of('ready'), disabled)).toEqual(['quarantined', 'server-unusable']);
    expect(verdict(of('quarantined'), disabled)).toEqual([null, 'server-unusable']);
    expect(verdict(of('quarantined'), observed())).toEqual(['securing']);
    // Azure does not always say how a server is.
    expect(verdict(of('ready'), observed({ state: 'Unknown' }))).toEqual([null]);
  });

  it('has a verdict for every state', () => {
    for (const state of serverStates) {
      expect(() => [verdict(of(state), observed()), verdict(of(state), null)]).not.toThrow();
    }
  });
});

describe('a server without a document', () => {
  it('is taken over with our tags, reported with our name alone, and otherwise none of our business', () => {
    expect(verdict(null, observed())).toEqual(['adopt']);
    expect(verdict(null, observed({ tags: {} }))).toEqual([null, 'unknown-server']);
    expect(verdict(null, observed({ tags: { ...ownTags, 'sqlfleet-environment': 'another' } }))).toEqual([
      null,
      'unknown-server',
    ]);
    expect(verdict(null, observed({ name: 'crm', tags: {} }))).toEqual([null]);
  });

  it('waits for a person in quarantine where the policy says so', () => {
    expect(verdict(of('quarantined'), observed(), 'manual')).toEqual([null, 'quarantined']);
  });
});
