/** Structured log: a static message for people to search for, facts beside it. Never secrets, never script text. */
export interface Logger {
  info(message: string, facts?: Record<string, unknown>): void;
  warn(message: string, facts?: Record<string, unknown>): void;
  error(message: string, facts?: Record<string, unknown>): void;
}

type Write = (level: 'info' | 'warn' | 'error', line: string) => void;

/** One JSON object per line. Control characters of foreign texts are escaped by JSON, so nobody can forge a line. */
export function createLogger(write: Write): Logger {
  const at =
    (level: 'info' | 'warn' | 'error') =>
    (message: string, facts: Record<string, unknown> = {}): void =>
      write(level, JSON.stringify({ message, ...facts }));
  return { info: at('info'), warn: at('warn'), error: at('error') };
}

/** For parts that run outside an invocation: stderr, where the host collects it. */
export const processLogger: Logger = createLogger((level, line) => process.stderr.write(`${level} ${line}\n`));
