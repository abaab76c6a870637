#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../lib/platform/errors';
import { type CommandContext, exitCodes } from './commands/command';
import { runCommand } from './commands/run-command';
import { type Output } from './demo/progress-bar';

/** `sqlfleet`: the process around the commands. */
async function main(): Promise<number> {
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  process.on('SIGINT', () => {
    // Whoever asks twice does not want to wait for an answer of the app.
    if (stop.signal.aborted) process.exit(exitCodes.interrupted);
    stop.abort();
  });
  // The reader of a pipe has seen enough: `sqlfleet outcomes ... | head`.
  process.stdout.on('error', () => process.exit(0));
  const context: CommandContext = {
    environment: process.env,
    folder: whereItWasTyped(process.env),
    output: outputOf(process.stdout),
    messages: outputOf(process.stderr),
    nowMs: () => Date.now(),
    wait: (delayMs) => delay(delayMs, undefined, { signal: stop.signal }).catch(() => undefined),
    newId: randomUUID,
    user: () => process.env.SQLFLEET_ACTOR || userName(),
    stop: stop.signal,
  };
  return runCommand(process.argv.slice(2), context);
}

/** npm runs scripts in the folder of the project, and keeps the one that the command was typed in. */
function whereItWasTyped({ npm_lifecycle_event: script, INIT_CWD: folder }: NodeJS.ProcessEnv): string {
  return script === 'sqlfleet' && folder !== undefined ? folder : process.cwd();
}

/** A container may run under a number that nobody has given a name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}

function outputOf(stream: NodeJS.WriteStream): Output {
  return {
    write: (text) => void stream.write(text),
    isTerminal: stream.isTTY,
    columns: stream.columns || 120,
  };
}

/** Whatever an SDK still holds must not keep a process that is done; what was written must get out first. */
function end(code: number): void {
  process.exitCode = code;
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
}

main().then(end, (error: unknown) => {
  process.stderr.write(`sqlfleet: ${messageOf(error)}\n`);
  end(exitCodes.unknown);
});
