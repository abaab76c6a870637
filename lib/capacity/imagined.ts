import { adoptedServer, inState } from './documents';
import { type Policy } from './policy';
import { type Change } from './reconcile';
import { type Correction } from './registry';
import { type Server } from './schema';

/** What the registry would be if the monitor acted, for a monitor that only looks on. No I/O. */

export function wouldBeCorrected(change: Change): Correction {
  const server = change.kind === 'adopt' ? change.server.name : change.server;
  return { server, change: 'would be corrected', reason: change.reason };
}

/** Servers that would be taken over: what would be decided with them is what people want to know. */
export function adoptable(
  changes: readonly Change[],
  policy: Policy,
  by: { templateVersion: number; fence: number; at: string },
): Server[] {
  const state = policy.adoption === 'automatic' ? 'ready' : 'quarantined';
  return changes.flatMap((change): Server[] =>
    change.kind === 'adopt' ? [{ ...adoptedServer(change.server, { ...by, reason: change.reason }), state }] : [],
  );
}

/** The documents as they would be after corrections that nobody makes. */
export function imagine(documents: readonly Server[], changes: readonly Change[], at: string): Server[] {
  const corrections = new Map(changes.flatMap((each) => (each.kind === 'correct' ? [[each.server, each]] : [])));
  return documents.map((server) => {
    const change = corrections.get(server.name);
    return change === undefined ? server : inState(server, change.to, change.reason, at, change.fields);
  });
}
