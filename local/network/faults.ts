import { z } from 'zod';

/**
 * One planned misbehaviour of a stand-in's HTTP endpoint, plain JSON so that it can cross a process boundary.
 * Without conditions it matches every request; without an effect of its own it only delays.
 */
export const httpFaultSchema = z.strictObject({
  /** Conditions, all of which must hold. `path` is a part of the decoded path, `operation` a name the stand-in documents. */
  method: z.string().optional(),
  path: z.string().optional(),
  operation: z.string().optional(),
  /** Matching requests that pass unharmed first, and how many are hit after them. */
  skip: z.int().min(0).default(0),
  times: z.int().min(1).default(1),
  delayMs: z.int().min(0).default(0),
  /** Answer with this status instead of doing the work. */
  status: z.int().min(400).max(599).optional(),
  code: z.string().optional(),
  /** Sent as `retry-after`, `retry-after-ms` and `x-ms-retry-after-ms`. */
  retryAfterMs: z.int().min(0).optional(),
  /** Close the connection without an answer: before the work is done, or after it took effect (a lost acknowledgement). */
  drop: z.enum(['before', 'after']).optional(),
});

export type HttpFault = z.input<typeof httpFaultSchema>;
type ActiveFault = z.output<typeof httpFaultSchema>;

export interface FaultHooks {
  add(fault: HttpFault): void;
  /** Forgets all faults that are still waiting. */
  clear(): void;
  /** Faults that have not been used up, with what is left of `skip` and `times`. */
  waiting(): HttpFault[];
}

/** What a fault is matched against. */
export interface FaultSubject {
  method: string;
  path: string;
  operation: string;
}

/** Keeps the faults of one endpoint. The first matching fault strikes, and only that one. */
export function createFaults(): FaultHooks & { strike(subjectOf: () => FaultSubject): ActiveFault | null } {
  let faults: ActiveFault[] = [];
  return {
    add: (fault) => void faults.push(httpFaultSchema.parse(fault)),
    clear: () => {
      faults = [];
    },
    waiting: () => faults.map((fault) => ({ ...fault })),
    strike(subjectOf) {
      if (faults.length === 0) return null;
      const subject = subjectOf();
      const fault = faults.find((candidate) => matches(candidate, subject));
      if (fault === undefined) return null;
      if (fault.skip > 0) {
        fault.skip -= 1;
        return null;
      }
      fault.times -= 1;
      if (fault.times === 0) faults = faults.filter((other) => other !== fault);
      return fault;
    },
  };
}

function matches(fault: ActiveFault, subject: FaultSubject): boolean {
  return (
    (fault.method === undefined || fault.method.toUpperCase() === subject.method) &&
    (fault.path === undefined || subject.path.includes(fault.path)) &&
    (fault.operation === undefined || fault.operation === subject.operation)
  );
}
