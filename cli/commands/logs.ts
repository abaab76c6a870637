import { TextDecoder } from 'node:util';
import { formatTarget } from '../../lib/targets/format';
import { type ApiClient, createApiClient } from '../api-client';
import { appTexts, buildIdOf, readArguments } from './arguments';
import { type Command, type CommandContext, exitCodes, refuseAny } from './command';
import { endpointOf, endpointUsage } from './endpoint';
import { outcomePages } from './outcomes';

/** `sqlfleet logs`. */
export const logsCommand: Command = {
  summary: 'names of the logs of a build, or one of them',
  usage: `sqlfleet logs <id> [name] [options]

Without a name: the consolidated logs, and for each database the name of its own, which is SQL that can be run.
With a name: that log.

${endpointUsage}
With --json the names one document per line; a log is written as it is.
`,
  async run(args, context) {
    const given = readArguments(args, { positionals: ['id', 'name?'], texts: appTexts });
    const id = buildIdOf(given);
    const name = given.positional(1);
    const endpoint = endpointOf(given, context);
    refuseAny(given.problems);

    const api = createApiClient(endpoint);
    if (name === undefined) await writeNames(api, id, given.flag('json'), context);
    else await writeLog(api, id, name, context);
    return context.stop.aborted ? exitCodes.interrupted : exitCodes.allRight;
  },
};

async function writeNames(api: ApiClient, id: string, isJson: boolean, { output, stop }: CommandContext) {
  const write = (log: string, target: string | null, attempt: number | null): void =>
    output.write(
      isJson ? `${JSON.stringify({ log, target, attempt })}\n` : `${log}${target === null ? '' : `  ${target}`}\n`,
    );
  for (const log of await api.logNames(id)) write(log, null, null);
  for await (const { items } of outcomePages(api, id, new URLSearchParams({ pageSize: '1000', attempts: 'all' }))) {
    if (stop.aborted) return;
    for (const item of items) {
      if (item.log !== null) write(item.log, formatTarget(item), item.attempt);
    }
  }
}

async function writeLog(api: ApiClient, id: string, name: string, { output, stop }: CommandContext): Promise<void> {
  const body = await api.openLog(id, name);
  if (body === null) return;
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for await (const chunk of body) {
    if (stop.aborted) return;
    output.write(decoder.decode(chunk, { stream: true }));
  }
  output.write(decoder.decode());
}
