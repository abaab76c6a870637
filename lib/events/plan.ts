import { sha256 } from '../platform/hash';
import { type IncomingEvent } from './envelope';
import { matchesGlob } from './globs';
import { type EventDocument, type EventRoute, type NewestDocument } from './schema';

/** The pure decisions about an event. */

/** Event Grid tries for a day, and what it gave up may be sent again from a dead-letter container some days later. */
export const rememberSeconds = 8 * 24 * 60 * 60;
export const rejectedSeconds = 30 * 24 * 60 * 60;

/** Every route that the event fits. Subjects and operations are compared without regard to case: senders do not agree on it. */
export function fittingRoutes(
  { type, subject, essence }: Pick<IncomingEvent, 'type' | 'subject' | 'essence'>,
  routes: readonly EventRoute[],
): EventRoute[] {
  return routes.filter(({ when }) => {
    const typeFits = when.types.some((pattern) => matchesGlob(pattern, type));
    const subjectFits = when.subject === undefined || matchesGlob(when.subject, subject);
    if (!typeFits || !subjectFits) return false;
    if (essence.kind === 'blob') {
      return when.operation === undefined && (when.container ?? essence.container) === essence.container;
    }
    const operationFits = when.operation === undefined || matchesGlob(when.operation, essence.operation);
    return operationFits && when.container === undefined && (when.own || !essence.own);
  });
}

/** Names the order that the event is part of. Blob names, unlike resource ids, are told apart by case. */
export function orderId({ source, subject, essence }: Pick<EventDocument, 'source' | 'subject' | 'essence'>): string {
  const about = essence.kind === 'blob' ? `${essence.container}/${essence.blob}` : subject.toLowerCase();
  return `newest-${sha256(`${source.toLowerCase()}\n${about}`)}`;
}

/** When it happened, as far as that can be: a sender whose clock is ahead must not make all that follows look old. */
export function orderTime({ time, createdAt }: Pick<EventDocument, 'time' | 'createdAt'>): string {
  return Date.parse(time) <= Date.parse(createdAt) ? time : createdAt;
}

/** Whether something newer about the same subject was acted on already. Delivery keeps no order; what is equal is not older. */
export function isOutdated(
  event: Pick<EventDocument, 'time' | 'createdAt' | 'essence'>,
  newest: NewestDocument | null,
): boolean {
  if (newest === null) return false;
  const sequencer = event.essence.kind === 'blob' ? event.essence.sequencer : '';
  if (sequencer !== '' && newest.sequencer !== '') return compareSequencers(sequencer, newest.sequencer) < 0;
  return Date.parse(orderTime(event)) < Date.parse(newest.time);
}

/** As Blob Storage says to compare them: as text, the shorter filled up with zeros on the left. */
function compareSequencers(a: string, b: string): number {
  const length = Math.max(a.length, b.length);
  const [left, right] = [a.padStart(length, '0'), b.padStart(length, '0')];
  return left === right ? 0 : left < right ? -1 : 1;
}

const manifestSuffix = '.build.json';

/** The package and its manifest that a new blob belongs to; either may arrive first. */
export function packageOf(blob: string): { packageBlob: string; manifestBlob: string } {
  const isManifest = blob.length > manifestSuffix.length && blob.endsWith(manifestSuffix);
  const packageBlob = isManifest ? blob.slice(0, -manifestSuffix.length) : blob;
  return { packageBlob, manifestBlob: `${packageBlob}${manifestSuffix}` };
}

/** `/subscriptions/…/providers/Microsoft.Sql/servers/one/databases/two` → the id of the server; null: it is in none. */
export function serverIdOf(resourceId: string): string | null {
  return (
    /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.Sql\/servers\/[^/]+/i.exec(
      resourceId,
    )?.[0] ?? null
  );
}
