import { type HostLogEntry } from '../host/log';

/** What the host and the Durable engine tell goes to stderr; without `verbose` only what somebody has to know. */
export function createHostLog(verbose: boolean) {
  const write = (level: string, source: string, message: string): void => {
    const important = /^(warn|error|critical)/.test(level);
    if (verbose || important) process.stderr.write(`${new Date().toISOString()} ${level} ${source}: ${message}\n`);
  };
  return {
    host: (entry: HostLogEntry): void => write(entry.level, entry.functionName ?? entry.source, entry.message),
    durable: (level: string, message: string): void => write(level, 'durable', message),
  };
}
