import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type Clock } from '../../lib/platform/clock';

/** Who asked for a change. */
export const callerSchema = z.object({ objectId: z.string(), clientId: z.string(), tenantId: z.string() });
export type Caller = z.infer<typeof callerSchema>;

/** A change that went through ARM, as the activity log and the Event Grid events of a subscription tell it. */
export interface ActivityEntry {
  id: string;
  timeMs: number;
  /** `Microsoft.Sql/servers/write` for example. */
  operationName: string;
  resourceId: string;
  succeeded: boolean;
  correlationId: string;
  /** Null where a restart forgot it. */
  caller: Caller | null;
}

export interface Activity {
  add(operationName: string, resourceId: string, succeeded: boolean, caller: Caller | null): void;
  /** Newest first. */
  list(): ActivityEntry[];
}

const maximumEntries = 1_000;

/** The last changes, in memory. `onEntry` is told of each, for whoever delivers events. */
export function createActivity(deps: { clock: Clock; onEntry: (entry: ActivityEntry) => void }): Activity {
  const entries: ActivityEntry[] = [];
  return {
    add(operationName, resourceId, succeeded, caller) {
      const entry = { operationName, resourceId, succeeded, caller };
      const full = { id: randomUUID(), correlationId: randomUUID(), timeMs: deps.clock.nowMs(), ...entry };
      entries.unshift(full);
      entries.splice(maximumEntries);
      deps.onEntry(full);
    },
    list: () => [...entries],
  };
}
