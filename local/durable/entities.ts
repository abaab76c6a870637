import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../../lib/platform/errors';
import {
  entityAnswer,
  type EntityAnswer,
  entityIdOf,
  entityKeyOf,
  entityNameOf,
  type EntityOperation,
  writeEntityResponse,
} from './entity-protocol';
import { eventFrame, eventType } from './protocol';
import { type JournalRecord, type MessageRecord } from './records';
import { type Entity, type Store } from './store';

export interface EntitiesDeps {
  store: Store;
  commit: (record: JournalRecord) => void;
  /** Sends the payload of an entity trigger to the entity's function. */
  invoke: (entityName: string, payload: string) => Promise<unknown>;
  nowMs: () => number;
  newId: () => string;
  log: (level: 'info' | 'warn' | 'error', message: string) => void;
}

export interface Entities {
  wake(entityId: string): void;
  drain(): Promise<void>;
}

/** Runs entity operations: one batch at a time per entity, in the order of arrival. */
export function createEntities(deps: EntitiesDeps): Entities {
  const active = new Map<string, Promise<void>>();
  let isDraining = false;

  const pending = (entityId: string): Entity | undefined => {
    const entity = deps.store.entities.get(entityId);
    return entity !== undefined && entity.inbox.length > 0 && !isDraining ? entity : undefined;
  };

  function wake(entityId: string): void {
    if (active.has(entityId) || pending(entityId) === undefined) return;
    const run = runBatches(entityId).finally(() => {
      active.delete(entityId);
      wake(entityId);
    });
    active.set(entityId, run);
  }

  async function runBatches(entityId: string): Promise<void> {
    await nextTurn();
    for (let entity = pending(entityId); entity !== undefined; entity = pending(entityId)) await runBatch(entity);
  }

  async function runBatch(entity: Entity): Promise<void> {
    const batch = [...entity.inbox];
    const answer = await ask(entity, batch);
    const messages: MessageRecord[] = [];
    batch.forEach((operation, index) => {
      const result = answer.results[index] ?? { isError: true, result: '"The entity gave no answer."' };
      if (operation.caller === null) return;
      const event = {
        EventType: eventType.eventRaised,
        ...eventFrame(deps.nowMs()),
        Name: operation.requestId,
        Input: writeEntityResponse(result),
      };
      messages.push({ type: 'message', ...operation.caller, event });
    });
    deps.commit({
      type: 'entityBatch',
      entityId: entity.entityId,
      consumed: batch.length,
      exists: answer.entityExists,
      state: answer.entityState ?? null,
      messages,
      operations: answer.signals.map((signal) => ({
        type: 'operation',
        entityId: entityIdOf(signal.target.name, signal.target.key),
        operation: {
          requestId: deps.newId(),
          name: signal.name,
          ...(signal.input ? { input: signal.input } : {}),
          caller: null,
        },
      })),
    });
  }

  /** A function that failed as a whole answers every operation with its error and changes nothing. */
  async function ask(entity: Entity, batch: readonly EntityOperation[]): Promise<EntityAnswer> {
    const name = entityNameOf(entity.entityId);
    const payload = JSON.stringify({
      self: { name, key: entityKeyOf(entity.entityId) },
      exists: entity.exists,
      state: entity.state ?? undefined,
      batch: batch.map(({ requestId, caller, ...operation }) => ({
        id: requestId,
        isSignal: caller === null,
        ...operation,
      })),
    });
    try {
      const returned = await deps.invoke(name, payload);
      return entityAnswer.parse(JSON.parse(typeof returned === 'string' ? returned : JSON.stringify(returned)));
    } catch (error) {
      deps.log('error', `Entity ${entity.entityId} failed: ${messageOf(error)}`);
      const result = JSON.stringify(messageOf(error));
      return {
        entityExists: entity.exists,
        entityState: entity.state,
        results: batch.map(() => ({ isError: true, result })),
        signals: [],
      };
    }
  }

  return {
    wake,
    async drain() {
      isDraining = true;
      await Promise.all(active.values());
    },
  };
}
