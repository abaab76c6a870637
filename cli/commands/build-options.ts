import { buildOptionsSchema } from '../../lib/builds/schema';
import { messageOf } from '../../lib/platform/errors';
import { checkInput } from '../../lib/platform/schema-problems';
import { type Arguments } from './arguments';
import { usageCode, usageProblem } from './command';
import { readFileOf } from './package-files';

/** Options of a build that have an argument of their own. The rest (approvals) comes from a file. */
const textOptions: Record<string, keyof typeof buildOptionsSchema.shape> = {
  name: 'name',
  description: 'description',
  'concurrency-type': 'concurrencyType',
  'concurrency-limit': 'concurrencyLimit',
  'timeout-retries': 'timeoutRetryCount',
  'default-script-timeout': 'defaultScriptTimeoutSeconds',
  'failure-outcomes': 'failureOutcomes',
  'deadline-minutes': 'deadlineMinutes',
  cluster: 'cluster',
  organization: 'organization',
  'scm-context': 'scmContext',
  group: 'group',
  'requested-by': 'requestedBy',
};
const flagOptions = {
  trial: { trial: true },
  'no-transaction': { transactional: false },
  'cluster-only': { clusterOnly: true },
};
const numbers = new Set(['concurrency-limit', 'timeout-retries', 'default-script-timeout', 'deadline-minutes']);

export const buildOptionTexts = [...Object.keys(textOptions), 'options'];
export const buildOptionFlags = Object.keys(flagOptions);

export const buildOptionsUsage = `  --name TEXT             for people; default: the name of the package
  --description TEXT      also fills #BuildDescription#
  --requested-by NAME     default: who you are on this machine
  --concurrency-type T    Count, Server, MaxPerServer, Tag or MaxPerTag
  --concurrency-limit N   targets at once per build, server or tag
  --trial                 run everything, then roll it back
  --no-transaction        what ran stays, also when a later script fails
  --timeout-retries N     further tries of a database after a script timed out
  --default-script-timeout SECONDS
  --failure-outcomes A,B  which outcomes count as failures
  --deadline-minutes N    no target is begun after this
  --cluster NAME, --cluster-only, --organization NAME, --scm-context NAME, --group NAME
                          which build cluster
  --options FILE          any of them as JSON, as the HTTP API takes them; arguments go before it
`;

/** What the arguments ask for, as the app wants it. Everything that is wrong with it goes to the arguments' problems. */
export async function readBuildOptions(given: Arguments, folder: string, user: string): Promise<object> {
  const asked: Record<string, unknown> = { requestedBy: user, ...(await optionsFile(given, folder)) };
  for (const [argument, option] of Object.entries(textOptions)) {
    const text = given.text(argument);
    if (text !== undefined) asked[option] = valueOf(argument, text);
  }
  for (const [argument, options] of Object.entries(flagOptions)) {
    if (given.flag(argument)) Object.assign(asked, options);
  }
  const checked = checkInput(buildOptionsSchema, asked, usageCode, 'options');
  if (!checked.success) {
    for (const problem of checked.problems) given.problems.push({ ...problem, entry: argumentOf(problem.entry) });
  }
  // Not the checked ones: which defaults hold is the app's to say.
  return asked;
}

function valueOf(argument: string, text: string): unknown {
  if (numbers.has(argument)) return /^-?\d+$/.test(text) ? Number(text) : text;
  return argument === 'failure-outcomes' ? text.split(',').map((each) => each.trim()) : text;
}

/** `options.concurrencyLimit` -> `--concurrency-limit`; what has no argument stays as it is. */
function argumentOf(entry: string | null): string | null {
  const found = Object.entries(textOptions).find(([, option]) => entry?.split('.')[1] === option);
  return found === undefined ? entry : `--${found[0]}`;
}

async function optionsFile(given: Arguments, folder: string): Promise<object> {
  const file = await readFileOf(given.text('options'), folder, given.problems);
  if (file === null) return {};
  try {
    const value: unknown = JSON.parse(file.bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
    given.problems.push(usageProblem(file.name, 'is not a JSON object'));
  } catch (error) {
    given.problems.push(usageProblem(file.name, `is not JSON: ${messageOf(error)}`));
  }
  return {};
}
