import { outcomeStatuses } from '../../lib/builds/model';
import { type OutcomeView } from '../../lib/builds/view';
import { type ApiClient, createApiClient, type OutcomesPage } from '../api-client';
import { formatTarget } from '../../lib/targets/format';
import { appTexts, buildIdOf, readArguments } from './arguments';
import { type Command, exitCodes, refuseAny, usageProblem } from './command';
import { endpointOf, endpointUsage } from './endpoint';
import { errorLines, plain } from './report';

const pageSize = 1_000;

/** `sqlfleet outcomes`. */
export const outcomesCommand: Command = {
  summary: 'how the targets of a build ended',
  usage: `sqlfleet outcomes <id> [options]

  --status A,B            ${outcomeStatuses.slice(0, 4).join(', ')},
                          ${outcomeStatuses.slice(4).join(', ')}
  --server NAME, --tag TAG
  --all-attempts          also those that a retry replaced
${endpointUsage}
With --json one document per line, as many as there are targets.
`,
  async run(args, context) {
    const given = readArguments(args, {
      positionals: ['id'],
      texts: [...appTexts, 'status', 'server', 'tag'],
      flags: ['all-attempts'],
    });
    const id = buildIdOf(given);
    const statuses = given.text('status')?.split(',') ?? [];
    const known: readonly string[] = outcomeStatuses;
    for (const status of statuses.filter((each) => !known.includes(each))) {
      given.problems.push(usageProblem('--status', `${status} is no outcome; known are ${known.join(', ')}`));
    }
    const endpoint = endpointOf(given, context);
    refuseAny(given.problems);

    const query = new URLSearchParams({ pageSize: String(pageSize) });
    if (given.flag('all-attempts')) query.set('attempts', 'all');
    for (const name of ['status', 'server', 'tag']) {
      const value = given.text(name);
      if (value !== undefined) query.set(name, value);
    }
    const isJson = given.flag('json');
    for await (const { items, errors = [] } of outcomePages(createApiClient(endpoint), id, query)) {
      if (context.stop.aborted) return exitCodes.interrupted;
      if (!isJson && errors.length > 0) context.output.write(`${errorLines(errors)}\n`);
      for (const item of items) context.output.write(isJson ? `${JSON.stringify(item)}\n` : outcomeLine(item));
    }
    return exitCodes.allRight;
  },
};

export async function* outcomePages(
  api: Pick<ApiClient, 'outcomes'>,
  id: string,
  query: URLSearchParams,
): AsyncGenerator<OutcomesPage> {
  const next = new URLSearchParams(query);
  for (;;) {
    const page = await api.outcomes(id, `?${next.toString()}`);
    yield page;
    if (page.continuation === null) return;
    next.set('continuation', page.continuation);
  }
}

const statusWidth = Math.max(...outcomeStatuses.map((status) => status.length));

function outcomeLine({ status, failure, reason, ...target }: OutcomeView): string {
  const why = failure === null ? reason : `${failure.number ?? failure.code} ${failure.message}`;
  return `${status.padEnd(statusWidth)}  ${formatTarget(target)}${why === '' ? '' : `  ${plain(why)}`}\n`;
}
