import { type InputProblem, isAppError, isTransient, messageOf } from '../../lib/platform/errors';
import { controlActions } from '../../lib/builds/control';
import { buildCommand } from './build';
import { type Command, type CommandContext, exitCodes, usageCode } from './command';
import { controlCommand } from './control';
import { logsCommand } from './logs';
import { outcomesCommand } from './outcomes';
import { packCommand } from './pack';
import { plain, problemLines } from './report';
import { statusCommand } from './status';
import { validateCommand } from './validate';
import { workerCommand } from './worker';

const commands = new Map<string, Command>([
  ['build', buildCommand],
  ['status', statusCommand],
  ['outcomes', outcomesCommand],
  ['logs', logsCommand],
  ...controlActions.map((action): [string, Command] => [action, controlCommand(action)]),
  ['validate', validateCommand],
  ['pack', packCommand],
  ['worker', workerCommand],
]);

const nameWidth = Math.max(...[...commands.keys()].map((name) => name.length));

const usage = `sqlfleet <command> [options]

${[...commands].map(([name, { summary }]) => `  ${name.padEnd(nameWidth)}  ${summary}\n`).join('')}
sqlfleet <command> --help tells more.

Exit codes: 0 all right; 1 it ended with failures; 2 wrong usage, or refused; 3 the app could not be reached or asked;
130 Ctrl-C.
`;

/** Runs what a command line says. @returns the exit code */
export async function runCommand(args: readonly string[], context: CommandContext): Promise<number> {
  const [name = '', ...rest] = args;
  const command = commands.get(name);
  const wantsHelp = [name, ...rest].some((arg) => arg === '--help' || arg === '-h');
  if (command === undefined) {
    const isAsked = wantsHelp || name === 'help';
    (isAsked ? context.output : context.messages).write(
      isAsked || name === '' ? usage : `sqlfleet: there is no command ${plain(name)}\n\n${usage}`,
    );
    return isAsked ? exitCodes.allRight : exitCodes.refused;
  }
  if (wantsHelp) {
    context.output.write(command.usage);
    return exitCodes.allRight;
  }
  try {
    return await command.run(rest, context);
  } catch (error) {
    return tellError(error, name, rest.includes('--json'), context);
  }
}

function tellError(error: unknown, name: string, isJson: boolean, { output, messages }: CommandContext): number {
  const known = isAppError(error) ? error : null;
  const problems = problemsOf(known?.details.problems);
  const code = known?.code ?? 'internal';
  messages.write(`sqlfleet: ${plain(messageOf(error))}\n${problemLines(problems)}`);
  if (code === usageCode) messages.write(`  sqlfleet ${name} --help\n`);
  if (isJson) output.write(`${JSON.stringify({ error: { code, message: messageOf(error), problems } })}\n`);
  const isRefusal = known !== null && known.status < 500 && !isTransient(known);
  return isRefusal || code === 'settings.invalid' ? exitCodes.refused : exitCodes.unknown;
}

function problemsOf(details: unknown): InputProblem[] {
  if (!Array.isArray(details)) return [];
  return details.filter(
    (each: unknown): each is InputProblem =>
      typeof each === 'object' && each !== null && 'message' in each && 'entry' in each && 'line' in each,
  );
}
