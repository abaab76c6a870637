import { contentRecord } from './intake';
import { type Mailbox } from './mailbox';
import { type Queue, type Topic } from './entities';
import { type JournalRecord, storeProperties } from './records';

/** The records that add up to the present state of all entities: what a compacted journal holds. */
export function* snapshotOf(entities: Iterable<Queue | Topic>, nowMs: number): Iterable<JournalRecord> {
  for (const entity of entities) {
    const { path } = entity;
    if (entity.kind === 'queue') {
      yield { is: 'queue', settings: entity.settings };
      yield* mailboxRecords(path, entity.mailbox);
    } else {
      yield { is: 'topic', settings: entity.settings };
      yield { is: 'lastSequenceNumber', in: path, value: entity.lastSequenceNumber };
      for (const { settings, mailbox } of entity.subscriptions.values()) {
        yield { is: 'subscription', topic: path, settings };
        yield* mailboxRecords(path, mailbox);
      }
    }
    for (const { content, ...rest } of entity.intake.scheduled()) {
      yield { is: 'scheduled', at: path, ...rest, ...contentRecord(content) };
    }
    // In chunks, so that no line of the journal grows with the number of messages.
    const ids = [...(entity.duplicates?.entries(nowMs) ?? [])];
    for (let from = 0; from < ids.length; from += 1_000) {
      yield { is: 'seen', at: path, ids: ids.slice(from, from + 1_000) };
    }
  }
}

function* mailboxRecords(sentTo: string, mailbox: Mailbox): Iterable<JournalRecord> {
  for (const message of mailbox.messages()) {
    const { sequenceNumber, enqueuedSequenceNumber, content, deliveryCount, deferred } = message;
    const properties = storeProperties(message.changedProperties);
    yield {
      is: 'message',
      sentTo,
      atMs: message.enqueuedAtMs,
      ...contentRecord(content),
      enqueuedSequenceNumber,
      copies: [[mailbox.path, sequenceNumber, properties]],
    };
    if (deliveryCount > 0 || deferred) {
      yield { is: 'changed', in: mailbox.path, sequenceNumber, deliveryCount, deferred, properties };
    }
  }
  for (const { id, state } of mailbox.sessions.all()) {
    if (state !== null) {
      yield { is: 'sessionState', in: mailbox.path, sessionId: id, state: state.toString('base64') };
    }
  }
  yield { is: 'lastSequenceNumber', in: mailbox.path, value: mailbox.lastSequenceNumber };
  if (mailbox.deadLetters !== null) yield* mailboxRecords(sentTo, mailbox.deadLetters);
}
