import { type Clock } from '../../lib/platform/clock';
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

/** Tells that something fails, and that it works again; however many parts see it and however often. */
export interface FaultReporter {
  failed(reason: string): void;
  recovered(): void;
}

const silenceMs = 60_000;
const changingPart = /[0-9a-f]{4,}|\d+/gi;

/** The same reason (but for ids and numbers in it) is logged once a minute, a recovery once per logged failure. */
export function createFaultReporter(log: HostLog, clock: Clock, functionName: string, what: string): FaultReporter {
  const loggedMs = new Map<string, number>();
  let failing = false;
  return {
    failed(reason) {
      const kind = reason.replace(changingPart, '#');
      const nowMs = clock.nowMs();
      if (nowMs - (loggedMs.get(kind) ?? -Infinity) < silenceMs) return;
      loggedMs.set(kind, nowMs);
      failing = true;
      const message = `${what} failed and is tried again: ${redact(reason)}`;
      log({ level: 'warning', source: 'host', functionName, message });
    },
    recovered() {
      if (!failing) return;
      failing = false;
      log({ level: 'information', source: 'host', functionName, message: `${what} works again.` });
    },
  };
}
