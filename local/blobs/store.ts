import { z } from 'zod';
import { type Clock } from '../../lib/platform/clock';
import { ServiceError } from '../network/service-error';
import { noJournal, openJournal, type Journal } from '../storage/journal';
import { type Chunk, type ContentStore } from './content';

const chunkSchema = z.object({ file: z.string(), length: z.number() });
const blobSchema = z.object({
  name: z.string(),
  /** Grows with every write of any blob; makes the ETag. */
  version: z.number(),
  createdAtMs: z.number(),
  modifiedAtMs: z.number(),
  /** Content headers by their HTTP name, for example `content-type`. */
  headers: z.record(z.string(), z.string()),
  metadata: z.record(z.string(), z.string()),
  chunks: z.array(chunkSchema),
});
export type Blob = z.infer<typeof blobSchema>;

const recordSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('container'), name: z.string(), version: z.number(), modifiedAtMs: z.number() }),
  z.object({ kind: z.literal('containerDeleted'), name: z.string() }),
  z.object({ kind: z.literal('blob'), container: z.string(), blob: blobSchema }),
  z.object({ kind: z.literal('blobDeleted'), container: z.string(), name: z.string() }),
  z.object({ kind: z.literal('block'), container: z.string(), name: z.string(), id: z.string(), chunk: chunkSchema }),
]);
type StoreRecord = z.infer<typeof recordSchema>;

export interface BlobContainer {
  name: string;
  version: number;
  modifiedAtMs: number;
  blobs: Map<string, Blob>;
  /** Staged blocks that no block list has taken up: blob name to block id to content. */
  staged: Map<string, Map<string, Chunk>>;
  /** Names in order; null when they have to be sorted again. */
  sortedNames: string[] | null;
}

/** What the caller knows of the next version of a blob. */
export type BlobContent = Pick<Blob, 'headers' | 'metadata' | 'chunks'>;

export interface BlobStore {
  containers(): BlobContainer[];
  /** @throws ServiceError 404 ContainerNotFound */
  container(name: string): BlobContainer;
  createContainer(name: string): BlobContainer;
  deleteContainer(name: string): void;
  /** @throws ServiceError 404 BlobNotFound */
  blob(container: string, name: string): Blob;
  /** Replaces the blob as a whole and lets go of content that it no longer has. */
  put(container: string, name: string, content: BlobContent): Blob;
  deleteBlob(container: string, name: string): void;
  stage(container: string, name: string, blockId: string, chunk: Chunk): void;
  close(): void;
}

const compactFromBytes = 16 * 1024 * 1024;

export function openBlobStore(deps: { journalFile: string | null; content: ContentStore; clock: Clock }): BlobStore {
  const containers = new Map<string, BlobContainer>();
  let lastVersion = 0;
  let journal: Journal = noJournal();

  const apply = (record: StoreRecord): Chunk[] => {
    const container = containers.get(
      record.kind === 'container' || record.kind === 'containerDeleted' ? record.name : record.container,
    );
    if (record.kind === 'container') {
      const { name, version, modifiedAtMs } = record;
      containers.set(name, { name, version, modifiedAtMs, blobs: new Map(), staged: new Map(), sortedNames: null });
      lastVersion = Math.max(lastVersion, version);
      return [];
    }
    if (container === undefined) return [];
    switch (record.kind) {
      case 'containerDeleted':
        containers.delete(record.name);
        return chunksOf(container);
      case 'blob': {
        const { blob } = record;
        const before = [
          ...(container.blobs.get(blob.name)?.chunks ?? []),
          ...(container.staged.get(blob.name)?.values() ?? []),
        ];
        if (!container.blobs.has(blob.name)) container.sortedNames = null;
        container.blobs.set(blob.name, blob);
        container.staged.delete(blob.name);
        lastVersion = Math.max(lastVersion, blob.version);
        const kept = new Set(blob.chunks.map((chunk) => chunk.file));
        return before.filter((chunk) => !kept.has(chunk.file));
      }
      case 'blobDeleted': {
        const gone = container.blobs.get(record.name)?.chunks ?? [];
        container.blobs.delete(record.name);
        container.sortedNames = null;
        return gone;
      }
      case 'block': {
        const blocks = container.staged.get(record.name) ?? new Map<string, Chunk>();
        const previous = blocks.get(record.id);
        container.staged.set(record.name, blocks.set(record.id, record.chunk));
        return previous === undefined ? [] : [previous];
      }
    }
  };
  const write = (record: StoreRecord): void => {
    journal.append(record);
    deps.content.discard(apply(record));
    if (journal.bytesAppended > compactFromBytes) journal.compact(snapshot(containers.values()));
  };

  if (deps.journalFile !== null) {
    journal = openJournal(deps.journalFile, (line) => void apply(recordSchema.parse(line)));
    journal.compact(snapshot(containers.values()));
    deps.content.keepOnly([...containers.values()].flatMap(chunksOf));
  }

  const containerOf = (name: string): BlobContainer => {
    const container = containers.get(name);
    if (container === undefined) throw new ServiceError(404, 'ContainerNotFound', `Container ${name} does not exist.`);
    return container;
  };
  return {
    containers: () => [...containers.values()].sort((left, right) => (left.name < right.name ? -1 : 1)),
    container: containerOf,
    createContainer(name) {
      if (!/^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(name)) {
        throw new ServiceError(400, 'InvalidResourceName', `${name} is not a valid container name.`);
      }
      if (containers.has(name)) throw new ServiceError(409, 'ContainerAlreadyExists', `Container ${name} exists.`);
      write({ kind: 'container', name, version: lastVersion + 1, modifiedAtMs: deps.clock.nowMs() });
      return containerOf(name);
    },
    deleteContainer(name) {
      containerOf(name);
      write({ kind: 'containerDeleted', name });
    },
    blob(container, name) {
      const blob = containerOf(container).blobs.get(name);
      if (blob === undefined) throw new ServiceError(404, 'BlobNotFound', `Blob ${name} does not exist.`);
      return blob;
    },
    put(container, name, content) {
      const now = deps.clock.nowMs();
      const createdAtMs = containerOf(container).blobs.get(name)?.createdAtMs ?? now;
      const blob: Blob = { name, version: lastVersion + 1, createdAtMs, modifiedAtMs: now, ...content };
      write({ kind: 'blob', container, blob });
      return blob;
    },
    deleteBlob: (container, name) => write({ kind: 'blobDeleted', container, name }),
    stage(container, name, id, chunk) {
      containerOf(container);
      write({ kind: 'block', container, name, id, chunk });
    },
    close: () => journal.close(),
  };
}

export function lengthOf(blob: Blob): number {
  return blob.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

function chunksOf(container: BlobContainer): Chunk[] {
  return [
    ...[...container.blobs.values()].flatMap((blob) => blob.chunks),
    ...[...container.staged.values()].flatMap((blocks) => [...blocks.values()]),
  ];
}

function* snapshot(containers: Iterable<BlobContainer>): Generator<StoreRecord> {
  for (const { name, version, modifiedAtMs, blobs, staged } of containers) {
    yield { kind: 'container', name, version, modifiedAtMs };
    for (const blob of blobs.values()) yield { kind: 'blob', container: name, blob };
    for (const [blob, blocks] of staged) {
      for (const [id, chunk] of blocks) yield { kind: 'block', container: name, name: blob, id, chunk };
    }
  }
}
