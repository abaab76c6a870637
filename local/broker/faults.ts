import { z } from 'zod';

/**
 * Operations that can be made to fail. `attach` opens any link, `request` is one to `$management` (renewing a lock,
 * session state, ...), `manage` is the REST API.
 */
const operations = ['authenticate', 'attach', 'send', 'settle', 'request', 'manage'] as const;
export type FaultyOperation = (typeof operations)[number];

const faultSchema = z.strictObject({
  operation: z.enum(operations),
  /** Path of the entity, without case; absent: every entity. */
  entity: z.string().optional(),
  /** For `request`: the operation's name, for example `com.microsoft:renew-session-lock`; absent: every request. */
  request: z.string().optional(),
  /** How often it strikes before it is used up; absent: until it is cleared. */
  times: z.number().int().positive().optional(),
  /** So many operations pass before it strikes. */
  after: z.number().int().nonnegative().default(0),
  action: z.discriminatedUnion('kind', [
    /** Answers with this AMQP error, for example `com.microsoft:server-busy`. */
    z.strictObject({ kind: z.literal('error'), condition: z.string(), description: z.string().default('injected') }),
    /** Drops the connection instead of doing it. */
    z.strictObject({ kind: z.literal('drop') }),
    /** Does it, and drops the connection instead of answering: the client cannot know. */
    z.strictObject({ kind: z.literal('loseAnswer') }),
    /** Does it late. */
    z.strictObject({ kind: z.literal('delay'), delayMs: z.number().int().positive() }),
  ]),
});

export type Fault = z.input<typeof faultSchema>;
export type FaultAction = z.infer<typeof faultSchema>['action'];

/** Faults on demand. Settings are plain JSON, so that a control endpoint can pass them on. */
export interface Faults {
  /** Replaces all faults. @throws ZodError saying what is wrong with the settings. */
  set(faults: unknown): void;
  clear(): void;
  /** Those that have not struck as often as they may. */
  waiting(): Fault[];
  /** How the next operation is to fail; null: not at all. */
  next(operation: FaultyOperation, entity: string, request?: string): FaultAction | null;
}

export function createFaults(): Faults {
  let faults: (z.infer<typeof faultSchema> & { seen: number; struck: number })[] = [];

  return {
    set(settings) {
      const parsed = z.array(faultSchema).parse(settings);
      faults = parsed.map((fault) => ({ ...fault, seen: 0, struck: 0 }));
    },
    clear() {
      faults = [];
    },
    waiting: () =>
      faults.filter(({ struck, times }) => struck !== times).map(({ seen: _, struck: __, ...fault }) => fault),
    next(operation, entity, request) {
      for (const fault of faults) {
        if (fault.operation !== operation) continue;
        if (fault.entity !== undefined && fault.entity.toLowerCase() !== entity.toLowerCase()) continue;
        if (fault.request !== undefined && fault.request !== request) continue;
        fault.seen += 1;
        if (fault.seen <= fault.after || fault.struck === fault.times) continue;
        fault.struck += 1;
        return fault.action;
      }
      return null;
    },
  };
}
