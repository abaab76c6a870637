import { join } from 'node:path';
import { z } from 'zod';
import { openJournal } from '../../storage/journal';

/** How far a consumer group has come in one partition. */
export interface Checkpoint {
  partitionId: string;
  offset: string;
  sequenceNumber: number;
}

export interface Checkpoints {
  /** `stream` names the hub and consumer group, by a name that outlives changes of ports and addresses. */
  list(stream: string): Checkpoint[];
  update(stream: string, checkpoint: Checkpoint): void;
  close(): void;
}

const recordSchema = z.object({
  stream: z.string(),
  partitionId: z.string(),
  offset: z.string(),
  sequenceNumber: z.number(),
});
const compactAfterBytes = 1 << 20;

/** Keeps checkpoints in `checkpoints.jsonl` of the host's state folder. In Azure they are blobs. */
export function openCheckpoints(stateFolder: string): Checkpoints {
  const checkpoints = new Map<string, z.infer<typeof recordSchema>>();
  const keyOf = (stream: string, partitionId: string): string => JSON.stringify([stream, partitionId]);
  const journal = openJournal(join(stateFolder, 'checkpoints.jsonl'), (entry) => {
    const record = recordSchema.parse(entry);
    checkpoints.set(keyOf(record.stream, record.partitionId), record);
  });
  journal.compact(checkpoints.values());
  return {
    list: (stream) => [...checkpoints.values()].filter((record) => record.stream === stream),
    update(stream, { partitionId, offset, sequenceNumber }) {
      const record = { stream, partitionId, offset, sequenceNumber };
      checkpoints.set(keyOf(stream, partitionId), record);
      journal.append(record);
      if (journal.bytesAppended > compactAfterBytes) journal.compact(checkpoints.values());
    },
    close: () => journal.close(),
  };
}
