import { app } from '@azure/functions';
import {
  actInputSchema,
  actOnEventName,
  handleEventName,
  handleEventOrchestration,
} from '../lib/events/orchestrators/handle-event';
import {
  answerNudgeName,
  nudgeCapacityName,
  nudgeCapacityOrchestration,
  nudgeInputSchema,
} from '../lib/events/orchestrators/nudge-capacity';
import {
  startReceivedActivityName,
  startReceivedName,
  startReceivedOrchestration,
} from '../lib/events/orchestrators/start-received';
import { durableClientInput, orchestrationsOf, registerActivity, registerOrchestration } from '../lib/platform/durable';
import { type EventParts, eventRoutes } from './event-routes';
import { registerRoutes } from './routes';

/** Events from Azure: the trigger, the webhook, and what they start. */
export function registerEvents(parts: () => EventParts): void {
  registerRoutes(eventRoutes(parts));

  // Whoever delivers here has the host's system key. What is thrown makes Event Grid deliver again.
  app.eventGrid<unknown>('receiveEvent', {
    extraInputs: [durableClientInput],
    handler: async (event, context) => void (await parts().events.receive([event], orchestrationsOf(context))),
  });

  registerOrchestration(handleEventName, handleEventOrchestration);
  registerOrchestration(nudgeCapacityName, nudgeCapacityOrchestration);
  registerOrchestration(startReceivedName, startReceivedOrchestration);
  const usesOrchestrations = { usesOrchestrations: true };
  registerActivity(
    actOnEventName,
    (input, context) => parts().events.act(actInputSchema.parse(input), orchestrationsOf(context)),
    usesOrchestrations,
  );
  registerActivity(
    startReceivedActivityName,
    (_input, context) => parts().events.startReceived(orchestrationsOf(context)),
    usesOrchestrations,
  );
  registerActivity(
    answerNudgeName,
    (input, context) =>
      parts().events.answerNudge(nudgeInputSchema.pick({ region: true }).parse(input), orchestrationsOf(context)),
    usesOrchestrations,
  );

  app.timer('resumeEvents', {
    schedule: '15 * * * * *',
    extraInputs: [durableClientInput],
    handler: (_timer, context) => parts().events.resume(orchestrationsOf(context)),
  });
}
