import { type BuildView } from '../../lib/builds/view';
import { type ApiClient } from '../api-client';
import { type Arguments } from './arguments';
import { type CommandContext, exitCodes } from './command';
import { exitCodeOf, followBuild, hasEnded } from './follow';
import { buildLines, errorLines } from './report';

/**
 * What every subcommand ends with that has started something: live progress and the summary, unless `--detach`.
 *
 * @param heading what is said to people first
 * @returns the exit code
 */
export async function watch(
  api: ApiClient,
  since: BuildView,
  given: Pick<Arguments, 'flag'>,
  context: CommandContext,
  heading: string,
): Promise<number> {
  const isJson = given.flag('json');
  // Programs get one document, at the end; people at its side still see progress.
  const screen = isJson ? context.messages : context.output;
  screen.write(heading);
  if (given.flag('detach')) {
    if (isJson) context.output.write(`${JSON.stringify(since)}\n`);
    else screen.write(`  sqlfleet status ${since.id} --watch\n`);
    return exitCodes.allRight;
  }
  const { build, detached } = await followBuild(api, since, context, screen);
  if (isJson) context.output.write(`${JSON.stringify(build)}\n`);
  if (detached) {
    screen.write(
      `\nDetached: build ${build.id} goes on. sqlfleet status ${build.id} --watch; sqlfleet cancel ${build.id} --reason WHY\n`,
    );
    return exitCodes.interrupted;
  }
  if (!isJson) screen.write(await summaryOf(api, build));
  return exitCodeOf(build);
}

/** How a build stands, and why targets failed. */
export async function summaryOf(api: Pick<ApiClient, 'outcomes'>, build: BuildView): Promise<string> {
  const { errors = [] } = build.failures === 0 ? {} : await api.outcomes(build.id, '?pageSize=1');
  const next = hasEnded(build) ? `  sqlfleet outcomes ${build.id}; sqlfleet logs ${build.id}\n` : '';
  return `${buildLines(build)}${errorLines(errors)}${next}`;
}
