import { DummyOrchestrationContext, type OrchestrationHandler } from 'durable-functions';
import { createOrchestrator } from 'durable-functions/lib/src/util/testingUtils';
import { type InvokeOrchestrator } from './episode';

/** Runs an orchestrator through durable-functions' own executor without a Functions host: for replaying histories. */
export function invokeDirectly(handler: OrchestrationHandler): InvokeOrchestrator {
  const run = createOrchestrator(handler);
  return async (_name, payload) => run(JSON.parse(payload), new DummyOrchestrationContext());
}
