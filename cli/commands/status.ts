import { createApiClient } from '../api-client';
import { appTexts, buildIdOf, readArguments } from './arguments';
import { type Command, refuseAny } from './command';
import { endpointOf, endpointUsage } from './endpoint';
import { exitCodeOf } from './follow';
import { summaryOf, watch } from './watch';

/** `sqlfleet status`. */
export const statusCommand: Command = {
  summary: 'how a build stands',
  usage: `sqlfleet status <id> [options]

  --watch                 live progress until it has ended, or Ctrl-C
${endpointUsage}
Exit code 1 when it has ended with failures, was cancelled or failed.
`,
  async run(args, context) {
    const given = readArguments(args, { positionals: ['id'], texts: appTexts, flags: ['watch'] });
    const id = buildIdOf(given);
    const endpoint = endpointOf(given, context);
    refuseAny(given.problems);

    const api = createApiClient(endpoint);
    const build = await api.getBuild(id);
    if (given.flag('watch')) return watch(api, build, given, context, '');
    context.output.write(given.flag('json') ? `${JSON.stringify(build)}\n` : await summaryOf(api, build));
    return exitCodeOf(build);
  },
};
