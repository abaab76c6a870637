import { type CommandContext } from '../../cli/commands/command';
import { runCommand } from '../../cli/commands/run-command';
import { type Output } from '../../cli/demo/progress-bar';

/** What a command did: its exit code, and what it wrote where. */
export interface CommandEnd {
  code: number;
  output: string;
  messages: string;
}

/** Runs a command line in this process, with a clock that goes on only while the command waits. */
export async function command(args: readonly string[], overrides: Partial<CommandContext> = {}): Promise<CommandEnd> {
  const written = { output: '', messages: '' };
  const into = (name: keyof typeof written): Output => ({
    write: (text) => void (written[name] += text),
    isTerminal: false,
    columns: 120,
  });
  let nowMs = 0;
  const code = await runCommand(args, {
    environment: {},
    folder: __dirname,
    output: into('output'),
    messages: into('messages'),
    nowMs: () => nowMs,
    wait: async (delayMs) => void (nowMs += delayMs),
    newId: () => 'an-id',
    user: () => 'ann',
    stop: new AbortController().signal,
    ...overrides,
  });
  return { code, ...written };
}
