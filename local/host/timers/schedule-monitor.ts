import { join } from 'node:path';
import { z } from 'zod';
import { openJournal } from '../../storage/journal';

/** What a monitored timer remembers over a restart. */
export interface ScheduleStatus {
  /** The last occurrence that ran; null before the first. */
  lastMs: number | null;
  nextMs: number;
  updatedMs: number;
}

export interface ScheduleMonitor {
  status(functionName: string): ScheduleStatus | undefined;
  update(functionName: string, status: ScheduleStatus): void;
  close(): void;
}

const recordSchema = z.object({
  functionName: z.string(),
  lastMs: z.number().nullable(),
  nextMs: z.number(),
  updatedMs: z.number(),
});

/** Keeps schedules in `timers.jsonl` of the host's state folder. */
export function openScheduleMonitor(stateFolder: string): ScheduleMonitor {
  const statuses = new Map<string, ScheduleStatus>();
  const journal = openJournal(join(stateFolder, 'timers.jsonl'), (record) => {
    const { functionName, ...status } = recordSchema.parse(record);
    statuses.set(functionName, status);
  });
  journal.compact([...statuses].map(([functionName, status]) => ({ functionName, ...status })));
  return {
    status: (functionName) => statuses.get(functionName),
    update(functionName, status) {
      statuses.set(functionName, status);
      journal.append({ functionName, ...status });
    },
    close: () => journal.close(),
  };
}
