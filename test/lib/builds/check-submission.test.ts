import { checkSubmission, type Submission } from '../../../lib/builds/check-submission';
import { readSubmitted } from '../../../lib/packages/submitted';
import { type ClusterChoice } from '../../../lib/platform/cluster-choice';
import { isAppError } from '../../../lib/platform/errors';
import { parseTargets } from '../../../lib/targets/parse';

const choice: ClusterChoice = {
  at: '2026-01-01T00:00:00Z',
  cluster: 'managed',
  queue: 'managed',
  path: 'managed',
  reason: 'it is the only one',
  asked: { wanted: null, override: null, only: false, organization: null, scmContext: null, group: 'default' },
  candidates: [],
  notShown: 0,
  draw: null,
};

const good: Submission = {
  packageFiles: [{ name: 'a.sql', bytes: Buffer.from('SELECT 1;') }],
  targets: Buffer.from('server:database#pool'),
  options: undefined,
  idempotencyKey: null,
  signedInActor: null,
};

const check = (submission: Submission) =>
  checkSubmission(
    {
      readPackage: readSubmitted,
      readTargets: parseTargets,
      clusters: { choose: async ({ wanted }) => ({ choice, refused: wanted === null ? null : `no ${wanted}` }) },
    },
    submission,
  );

async function placesOf(submission: Partial<Submission>): Promise<unknown> {
  const error: unknown = await check({ ...good, ...submission }).catch((thrown: unknown) => thrown);
  if (!isAppError(error) || !Array.isArray(error.details.problems)) throw error;
  expect([error.code, error.status]).toEqual(['builds.invalidInput', 422]);
  return error.details.problems.map(({ entry, line }: { entry: string; line: number | null }) => `${entry}:${line}`);
}

describe('what is handed in', () => {
  it('is read completely, with the defaults of its options', async () => {
    const { options, scripts, targets } = await check(good);
    expect(options).toMatchObject({ concurrencyType: 'MaxPerServer', trial: false });
    expect(scripts.package.scripts).toHaveLength(1);
    expect(targets.targets).toHaveLength(1);
  });

  it('is refused with every problem at once: of the request, the options, the package and the targets', async () => {
    const problem = { code: 'request.partUnknown', message: 'there is no such part', entry: 'option', line: null };
    const places = await placesOf({
      requestProblems: [problem],
      options: { concurrencyLimit: 0 },
      packageFiles: [{ name: 'a.sql', bytes: Buffer.from("SELECT 1;\nSELECT 'x") }],
      targets: Buffer.from('server:one\nno colon\n'),
    });
    expect(places).toEqual(['option:null', 'options.concurrencyLimit:null', 'a.sql:2', 'targets:2']);
  });

  it('is looked at as far as it is there', async () => {
    const missing = { code: 'request.partMissing', message: 'this part is missing', entry: 'targets', line: null };
    const places = await placesOf({
      requestProblems: [missing],
      targets: null,
      packageFiles: [{ name: 'a.sql', bytes: Buffer.from('GO twice') }],
    });
    expect(places).toEqual(['targets:null', 'a.sql:1']);
    expect(await placesOf({ packageFiles: [], targets: Buffer.from('x') })).toEqual(['targets:1']);
  });

  it('names a cluster that there is not together with the rest', async () => {
    const packageFiles = [{ name: 'a.sbm', bytes: Buffer.from('no archive') }];
    expect(await placesOf({ options: { cluster: 'nowhere' }, packageFiles })).toEqual([
      'options.cluster:null',
      'package:null',
    ]);
  });

  it.each([null, [], 'text', 7])('has options that are an object, or none: not %j', async (options) => {
    if (options === null) expect((await check({ ...good, options })).options.trial).toBe(false);
    else expect(await placesOf({ options })).toEqual(['options:null']);
  });
});
