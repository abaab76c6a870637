import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type z } from 'zod';

/** A part of a benchmark that runs in a process of its own, so that its CPU time and memory are its own. */
export interface Child {
  process: ChildProcess;
  /** The next message of the child. @throws Error when it ends first, or says something else. */
  receive<T>(schema: z.ZodType<T>): Promise<T>;
  send(message: object): void;
  /** Asks it to end, and waits until it has. */
  stop(): Promise<void>;
}

/** Starts `dist/bench/<name>.js` with `input` as its only argument. */
export function startChild(name: string, input: object, nodeArguments: readonly string[] = []): Child {
  const child = fork(join(__dirname, `${name}.js`), [JSON.stringify(input)], {
    execArgv: ['--enable-source-maps', ...nodeArguments],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const messages: unknown[] = [];
  let wake = (): void => undefined;
  child.on('message', (message) => {
    messages.push(message);
    wake();
  });
  child.once('exit', () => wake());
  return {
    process: child,
    async receive(schema) {
      for (;;) {
        if (messages.length > 0) return schema.parse(messages.shift());
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`the benchmark process ${name} ended`);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    send: (message) => void child.send(message),
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

/** What a child does: its answer goes to the parent; a failure ends it with its reason on standard error. */
export function answerParent(work: () => Promise<object>): void {
  work().then(
    (answer) => process.send?.(answer),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
  process.once('disconnect', () => process.exit(0));
}

/** The argument that `startChild` gave. @throws ZodError */
export function childInput<T>(schema: z.ZodType<T>): T {
  return schema.parse(JSON.parse(process.argv[2] ?? '{}'));
}
