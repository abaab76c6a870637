import { type DocumentOperation } from './requests';

/** What happened to one container since the start. */
export interface ContainerCounters {
  /** Documents that were created, replaced, patched or deleted, each in a batch counted by itself. */
  writes: number;
  reads: number;
  /** Requests by operation; refused ones too. */
  requests: Partial<Record<DocumentOperation, number>>;
}

export interface DocumentCounters {
  countRequest(container: string, operation: DocumentOperation): void;
  countWrite(container: string): void;
  countRead(container: string): void;
  /** By `<database>/<container>`. */
  snapshot(): Record<string, ContainerCounters>;
  reset(): void;
}

export function createCounters(): DocumentCounters {
  const byContainer = new Map<string, ContainerCounters>();
  const of = (container: string): ContainerCounters => {
    let counters = byContainer.get(container);
    if (counters === undefined) byContainer.set(container, (counters = { writes: 0, reads: 0, requests: {} }));
    return counters;
  };
  return {
    countRequest(container, operation) {
      const { requests } = of(container);
      requests[operation] = (requests[operation] ?? 0) + 1;
    },
    countWrite: (container) => void (of(container).writes += 1),
    countRead: (container) => void (of(container).reads += 1),
    snapshot: () =>
      Object.fromEntries([...byContainer].map(([name, each]) => [name, { ...each, requests: { ...each.requests } }])),
    reset: () => byContainer.clear(),
  };
}
