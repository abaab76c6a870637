import { type FaultyOperation } from '../faults';
import { type Outcome } from './outcomes';
import { type Delivery } from './rhea-internals';

/** What a transfer from the client asks for. */
export interface Deed {
  operation: FaultyOperation;
  /** Name of the request, for faults. */
  request?: string;
  /** Does it. Returning accepts the transfer, throwing rejects it with the error. */
  perform(): void;
  /** For requests, whose error belongs into a response: answers instead of rejecting the transfer. */
  refuse?(error: unknown): void;
}

/** What the server does with a link on which the client sends. */
export interface IncomingHandler {
  /** Path of the entity, for faults. */
  path: string;
  receive(bytes: Buffer, isBatch: boolean): Deed;
}

/** What the server does with a link on which the client receives. */
export interface OutgoingHandler {
  path: string;
  /** The handler answers the attach itself, when it has what the client waits for. */
  attachesLater?: boolean;
  /** The client gave credit. */
  flow(): void;
  /** The client disposed of a delivery. Returns our own outcome; throwing answers with a rejection. */
  settle(delivery: Delivery, outcome: Outcome): unknown;
  /** The link is gone: taken down by the client, or with its connection. */
  closed(connectionLost: boolean): void;
}
