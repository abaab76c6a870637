import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type InputProblem, messageOf } from '../../lib/platform/errors';
import { type ApiEndpoint } from '../api-client';
import { type Arguments } from './arguments';
import { type CommandContext, usageProblem } from './command';

export const urlVariable = 'SQLFLEET_APP_URL';
export const keyVariable = 'SQLFLEET_KEY';
const localFile = join('.sqlfleet', 'endpoints.json');
const localSchema = z.object({ http: z.object({ baseUrl: z.string(), functionKey: z.string() }) });

export const endpointUsage = `  --url URL               where the app is                     ${urlVariable}
  --key KEY               its function key                     ${keyVariable}
                          neither: .sqlfleet/endpoints.json of a running \`npm start\`, here or in a folder above
  --json                  for programs
`;

/** Where the app is: from the options, the environment, or a running embedded cloud. Problems go to the arguments' own. */
export function endpointOf(given: Arguments, context: Pick<CommandContext, 'environment' | 'folder'>): ApiEndpoint {
  const { environment } = context;
  const url = given.text('url') ?? (environment[urlVariable] || undefined);
  const key = given.text('key') ?? (environment[keyVariable] || undefined);
  if (url === undefined) {
    const local = localEndpoint(context.folder, given.problems);
    return { ...local, functionKey: key ?? local.functionKey };
  }
  given.problems.push(...urlProblems(url));
  if (key === undefined) given.problems.push(usageProblem('--key', `is missing; or set ${keyVariable}`));
  // People copy the address with and without the prefix of the API.
  return { baseUrl: url.replace(/\/+$/, '').replace(/\/api$/, ''), functionKey: key ?? '' };
}

function urlProblems(written: string): InputProblem[] {
  const url = URL.canParse(written) ? new URL(written) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) return [usageProblem('--url', `${written} is not a URL`)];
  if (url.search !== '' || url.hash !== '' || url.username !== '') {
    return [usageProblem('--url', 'takes the address alone; the key goes to --key')];
  }
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  return url.protocol === 'http:' && !isLocal ? [usageProblem('--url', 'use https: the key is a secret')] : [];
}

function localEndpoint(folder: string, problems: InputProblem[]): ApiEndpoint {
  const nowhere = { baseUrl: '', functionKey: '' };
  const file = findAbove(folder);
  if (file === null) {
    const message = `is missing; or set ${urlVariable}, or start the embedded cloud here: npm start`;
    problems.push(usageProblem('--url', message));
    return nowhere;
  }
  try {
    return localSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).http;
  } catch (error) {
    problems.push(usageProblem(file, `cannot be read: ${messageOf(error)}`));
    return nowhere;
  }
}

function findAbove(folder: string): string | null {
  for (let current = folder; ; current = dirname(current)) {
    const file = join(current, localFile);
    if (existsSync(file)) return file;
    if (dirname(current) === current) return null;
  }
}
