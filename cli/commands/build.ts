import { type BuildView } from '../../lib/builds/view';
import { isTransient, messageOf } from '../../lib/platform/errors';
import { createApiClient, type ApiClient } from '../api-client';
import { appTexts, readArguments } from './arguments';
import { buildOptionFlags, buildOptionsUsage, buildOptionTexts, readBuildOptions } from './build-options';
import { type Command, type CommandContext, refuseAny, usageProblem } from './command';
import { endpointOf, endpointUsage } from './endpoint';
import { readFileOf, readPackageOf } from './package-files';
import { plain } from './report';
import { watch } from './watch';

const submitAttempts = 5;
const submitAgainAfterMs = 2_000;

/** `sqlfleet build`: hands a package and targets in, and shows how it goes. */
export const buildCommand: Command = {
  summary: 'build a package in a fleet of databases',
  usage: `sqlfleet build <package|folder> <targets.cfg> [options]

The package is a .sbm, a zip of .sql files, one .sql file, or a folder of them. Ctrl-C detaches; the build goes on.

${buildOptionsUsage}
  --idempotency-key KEY   the same key with the same content is the same build, also in the next run of a pipeline
  --detach                do not watch
${endpointUsage}`,
  async run(args, context) {
    const given = readArguments(args, {
      positionals: ['package', 'targets'],
      texts: [...appTexts, ...buildOptionTexts, 'idempotency-key'],
      flags: [...buildOptionFlags, 'detach'],
    });
    const { folder } = context;
    const package_ = await readPackageOf(given.positional(0), folder, given.problems);
    const targets = await readFileOf(given.positional(1), folder, given.problems);
    const options = await readBuildOptions(given, folder, context.user());
    const key = given.text('idempotency-key') ?? context.newId();
    if (!/^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/.test(key)) {
      given.problems.push(usageProblem('--idempotency-key', 'must have 1 to 256 characters of ASCII'));
    }
    const endpoint = endpointOf(given, context);
    refuseAny(given.problems);
    if (package_ === null || targets === null) throw new Error('a file was neither read nor refused');

    const api = createApiClient(endpoint);
    const submit = (): Promise<BuildView> => api.startBuild([package_], targets.bytes, options, key);
    const build = await submitted(submit, context);
    return watch(api, build, given, context, started(build));
  },
};

/** A request whose answer was lost may have started the build. With its key it may be sent again. */
async function submitted(submit: () => ReturnType<ApiClient['startBuild']>, context: CommandContext) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await submit();
    } catch (error) {
      if (attempt === submitAttempts || !isTransient(error) || context.stop.aborted) throw error;
      context.messages.write(`${plain(messageOf(error))} Trying again.\n`);
      await context.wait(submitAgainAfterMs);
    }
  }
}

function started({ id, name, package: { scripts }, targets: { count } }: BuildView): string {
  return `Build ${id}: ${plain(name)}, ${scripts} ${scripts === 1 ? 'script' : 'scripts'}, ${count} ${count === 1 ? 'target' : 'targets'}.\n`;
}
