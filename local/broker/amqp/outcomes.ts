import { recordOf } from './codec';
import { type Delivery, types } from './rhea-internals';

/** A disposition of the client (AMQP 1.0 part 3, section 3.4). */
export type Outcome =
  | { kind: 'accepted' }
  | { kind: 'released' }
  | { kind: 'rejected'; condition: string; description: string | null; info: Record<string, unknown> }
  | { kind: 'modified'; undeliverableHere: boolean; annotations: Record<string, unknown> };

/** Reads what the client said about a delivery; `kind` is the event that rhea raised for it. */
export function readOutcome(kind: Outcome['kind'], delivery: Delivery): Outcome {
  const state = recordOf(delivery.remote_state);
  switch (kind) {
    case 'accepted':
    case 'released':
      return { kind };
    case 'rejected': {
      const { condition, description, info } = recordOf(state.error);
      return {
        kind,
        condition: typeof condition === 'string' ? condition : '',
        description: typeof description === 'string' ? description : null,
        info: recordOf(info),
      };
    }
    case 'modified':
      return {
        kind,
        undeliverableHere: state.undeliverable_here === true,
        annotations: recordOf(state.message_annotations),
      };
  }
}

/** Outcomes as the broker writes them. */
export const accepted = (): unknown => outcome(0x24, []);
export const rejected = (error: { condition: string; description: string }): unknown =>
  outcome(0x25, [types.wrap_error(error)]);
export const released = (): unknown => outcome(0x26, []);
export const modified = (undeliverableHere: boolean): unknown => outcome(0x27, [!undeliverableHere, undeliverableHere]);

function outcome(descriptor: number, fields: unknown[]): unknown {
  return types.described(types.wrap_ulong(descriptor), types.wrap_list(fields));
}
