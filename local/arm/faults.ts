import { z } from 'zod';
import { httpFaultSchema } from '../network/faults';

/** Misbehaviour that only a resource manager is capable of; everything else is an `httpFaultSchema`. */
const ownFaultSchema = z.discriminatedUnion('kind', [
  /** An operation that was accepted fails in the end. */
  z.strictObject({
    kind: z.literal('failOperation'),
    /** `createServer`, `deleteServer`, `createDatabase` ...; left out: any. */
    action: z.string().optional(),
    /** A part of the resource's id. */
    resource: z.string().optional(),
    code: z.string().default('InternalServerError'),
    message: z.string().default('An injected fault.'),
    times: z.int().min(1).default(1),
  }),
  /** An operation does not end before the control action `releaseOperations`. */
  z.strictObject({
    kind: z.literal('holdOperation'),
    action: z.string().optional(),
    resource: z.string().optional(),
    times: z.int().min(1).default(1),
  }),
  /** A list ends early and does not say so. */
  z.strictObject({
    kind: z.literal('truncateList'),
    operation: z.string(),
    entries: z.int().min(0),
    times: z.int().min(1).default(1),
  }),
]);
export const armFaultSchema = z.union([ownFaultSchema, httpFaultSchema]);
type OwnFault = z.output<typeof ownFaultSchema>;
type OperationFault = Extract<OwnFault, { kind: 'failOperation' | 'holdOperation' }>;

export interface ArmFaults {
  add(fault: z.input<typeof ownFaultSchema>): void;
  clear(): void;
  waiting(): OwnFault[];
  /** The fault that strikes an operation that is about to do its work. */
  atOperation(action: string, resource: string): OperationFault | null;
  /** How many entries of a list are told; null: all. */
  atList(operation: string): number | null;
}

export function createArmFaults(): ArmFaults {
  let faults: OwnFault[] = [];
  const use = <T extends OwnFault>(fault: T | undefined): T | null => {
    if (fault === undefined) return null;
    fault.times -= 1;
    if (fault.times === 0) faults = faults.filter((other) => other !== fault);
    return fault;
  };
  return {
    add: (fault) => void faults.push(ownFaultSchema.parse(fault)),
    clear: () => {
      faults = [];
    },
    waiting: () => faults.map((fault) => ({ ...fault })),
    atOperation: (action, resource) =>
      use(
        faults
          .filter((fault) => fault.kind !== 'truncateList')
          .find(
            (fault) =>
              (fault.action === undefined || fault.action === action) &&
              (fault.resource === undefined || resource.toLowerCase().includes(fault.resource.toLowerCase())),
          ),
      ),
    atList: (operation) =>
      use(faults.filter((fault) => fault.kind === 'truncateList').find((fault) => fault.operation === operation))
        ?.entries ?? null,
  };
}

/** Whether a fault is one of ARM's own, and not one of its HTTP endpoint. */
export function isOwnFault(fault: z.output<typeof armFaultSchema>): fault is OwnFault {
  return 'kind' in fault;
}
