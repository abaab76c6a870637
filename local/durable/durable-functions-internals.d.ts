/** The one module of durable-functions that is used beside its public interface; the package ships no types for it. */
declare module 'durable-functions/lib/src/util/testingUtils' {
  import {
    type DummyEntityContext,
    type DummyOrchestrationContext,
    type EntityHandler,
    type OrchestrationHandler,
  } from 'durable-functions';

  export function createOrchestrator(
    handler: OrchestrationHandler,
  ): (trigger: unknown, context: DummyOrchestrationContext) => Promise<unknown>;

  export function createEntityFunction(
    handler: EntityHandler<unknown>,
  ): (trigger: unknown, context: DummyEntityContext<unknown>) => Promise<unknown>;
}
