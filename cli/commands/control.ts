import { type ControlAction } from '../../lib/builds/control';
import { controlRequestSchema } from '../../lib/builds/schema';
import { checkInput } from '../../lib/platform/schema-problems';
import { createApiClient } from '../api-client';
import { appTexts, buildIdOf, readArguments } from './arguments';
import { type Command, refuseAny, usageCode } from './command';
import { endpointOf, endpointUsage } from './endpoint';
import { buildLines } from './report';
import { watch } from './watch';

const summaries: Record<ControlAction, string> = {
  cancel: 'begin no further target; what was not begun ends as skipped',
  pause: 'hand out no further target until the build is resumed',
  resume: 'go on with a paused build',
  'retry-failed': 'build the targets again whose outcome counts as a failure',
};

/** `sqlfleet cancel`, `pause`, `resume` and `retry-failed`. */
export function controlCommand(action: ControlAction): Command {
  return {
    summary: summaries[action],
    usage: `sqlfleet ${action} <id> --reason TEXT [options]

${summaries[action][0]?.toUpperCase()}${summaries[action].slice(1)}.

  --reason TEXT           why, for the audit log
  --actor NAME            default: who you are on this machine
  --watch                 live progress until the build has ended, or Ctrl-C
${endpointUsage}`,
    async run(args, context) {
      const given = readArguments(args, {
        positionals: ['id'],
        texts: [...appTexts, 'reason', 'actor'],
        flags: ['watch'],
      });
      const id = buildIdOf(given);
      const by = { actor: given.text('actor') ?? context.user(), reason: given.text('reason') };
      const checked = checkInput(controlRequestSchema, by, usageCode, '');
      // An argument without its value is told already.
      const told = new Set(given.problems.map(({ entry }) => entry));
      if (!checked.success) {
        const problems = checked.problems.map((problem) => ({ ...problem, entry: `--${problem.entry ?? ''}` }));
        given.problems.push(...problems.filter(({ entry }) => !told.has(entry)));
      }
      const endpoint = endpointOf(given, context);
      refuseAny(given.problems);
      if (!checked.success) throw new Error('neither a request nor a problem');

      const api = createApiClient(endpoint);
      const build = await api.control(id, action, checked.data.actor, checked.data.reason);
      if (given.flag('watch')) return watch(api, build, given, context, '');
      context.output.write(given.flag('json') ? `${JSON.stringify(build)}\n` : buildLines(build));
      return 0;
    },
  };
}
