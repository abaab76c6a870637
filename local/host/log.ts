import { type LogLevel } from './app/core-module';

/** One thing that happened. `message` is redacted already; a sink may filter by level and source. */
export interface HostLogEntry {
  timeMs: number;
  level: LogLevel;
  /** `host`: this host; `function`: the function's own logging; `library`: `@azure/functions`. */
  source: 'host' | 'function' | 'library';
  message: string;
  functionName?: string;
  invocationId?: string;
  durationMs?: number;
}

export type HostLog = (entry: Omit<HostLogEntry, 'timeMs'>) => void;

const longestMessage = 4_000;
const secretInQuery = /([?&](?:code|sig|x-functions-key)=)[^&\s"']+/gi;
const secretInConnectionString = /((?:SharedAccessKey|AccountKey|SharedAccessSignature|Password|Pwd)=)[^;\s"']+/gi;

/** Hides keys in URLs and connection strings, and cuts what is too long to be read. */
export function redact(message: string): string {
  const text = message.replace(secretInQuery, '$1***').replace(secretInConnectionString, '$1***');
  return text.length <= longestMessage ? text : `${text.slice(0, longestMessage)}… (${text.length} characters)`;
}

/** Tells a fault when it begins and when it is over, however many listeners see it and however often. */
export interface FaultReporter {
  failed(reason: string): void;
  recovered(): void;
}

export function createFaultReporter(log: HostLog, functionName: string, what: string): FaultReporter {
  const reported = new Set<string>();
  return {
    failed(reason) {
      if (reported.has(reason)) return;
      reported.add(reason);
      log({ level: 'warning', source: 'host', functionName, message: `${what} failed, trying again: ${reason}` });
    },
    recovered() {
      if (reported.size === 0) return;
      reported.clear();
      log({ level: 'information', source: 'host', functionName, message: `${what} works again.` });
    },
  };
}
