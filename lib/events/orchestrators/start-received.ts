import { type OrchestrationContext } from '../../platform/durable';

export const startReceivedName = 'startReceivedEvents-v1';
export const startReceivedActivityName = 'startReceived-v1';
/** One is enough: it starts everything that is stored. What comes while it runs is left to the timer. */
export const startReceivedId = 'events-start-received';

/** For a delivery with more events than can be started before its acknowledgement. */
export function* startReceivedOrchestration(context: OrchestrationContext) {
  try {
    yield context.df.callActivity(startReceivedActivityName, {});
  } catch {
    // An infrastructure fault: the timer does the same.
  }
  return undefined;
}
