import { z } from 'zod';
import { type SqlRequest } from './session';

const matchSchema = {
  /** Logical server; left out: any. */
  server: z.string().optional(),
  /** Database of the login; left out: any. */
  database: z.string().optional(),
  /** How often the fault strikes before it is spent; null: always. */
  times: z.number().int().positive().nullable().default(1),
};

const requestMatchSchema = {
  ...matchSchema,
  /** Only the k-th request of a connection, from 1. Drivers send requests of their own, often one right after the login. */
  onRequest: z.number().int().positive().optional(),
  /** Regular expression, case ignored, on the request's text: batch, or procedure name with its text parameters. */
  textMatches: z.string().refine(isRegularExpression, { message: 'is not a regular expression' }).optional(),
};

const errorSchema = {
  number: z.number().int().positive(),
  severity: z.number().int().min(11).max(25).default(16),
  state: z.number().int().min(0).max(255).default(1),
  /** Left out: a text that names the number. */
  message: z.string().optional(),
};

const delayMs = z.number().int().nonnegative();
/** `before`: the engine never sees the request. `after`: it ran, and the client never hears of it. */
const when = z.enum(['before', 'after']);

/** A fault that a SQL server of the embedded cloud commits on demand. Plain data, so that it can be asked for over HTTP. */
export const sqlFaultSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('refuseLogin'), ...matchSchema, ...errorSchema }),
  z.object({ kind: z.literal('delayLogin'), ...matchSchema, delayMs }),
  /** Closes the connection instead of answering the login. */
  z.object({ kind: z.literal('dropLogin'), ...matchSchema }),
  z.object({ kind: z.literal('delayRequest'), ...requestMatchSchema, delayMs, when: when.default('before') }),
  z.object({ kind: z.literal('dropRequest'), ...requestMatchSchema, when }),
  /** Answers with an error; the engine does not see the request. `rollback`: it rolls the transaction back first. */
  z.object({
    kind: z.literal('failRequest'),
    ...requestMatchSchema,
    ...errorSchema,
    rollback: z.boolean().default(false),
  }),
  /** The request is cancelled, but the client hears of it only later; null: never. */
  z.object({ kind: z.literal('holdAttention'), ...matchSchema, holdMs: delayMs.nullable() }),
]);

export type SqlFault = z.infer<typeof sqlFaultSchema>;
/** A fault as it is asked for, defaults left out. */
export type SqlFaultInput = z.input<typeof sqlFaultSchema>;

type FaultOf<Kind extends SqlFault['kind']> = Extract<SqlFault, { kind: Kind }>;

export interface FaultPlace {
  server: string;
  database: string;
}

/** Delays add up; of the rest the first one that matches strikes. */
export interface LoginFaults {
  delayMs: number;
  strike: FaultOf<'refuseLogin' | 'dropLogin'> | null;
}

export interface RequestFaults {
  delayBeforeMs: number;
  delayAfterMs: number;
  strike: FaultOf<'dropRequest' | 'failRequest'> | null;
}

/** The faults that are set now. The servers ask at each event; asking uses a fault up. */
export interface SqlFaults {
  /** @throws ZodError naming what is wrong with the fault. */
  add(fault: SqlFaultInput): void;
  clear(): void;
  /** What is left, with the times that are left. */
  list(): SqlFault[];
  atLogin(place: FaultPlace): LoginFaults;
  atRequest(place: FaultPlace, ordinal: number, request: SqlRequest): RequestFaults;
  atAttention(place: FaultPlace): FaultOf<'holdAttention'> | null;
}

export function createSqlFaults(initial: readonly SqlFaultInput[] = []): SqlFaults {
  let faults: SqlFault[] = [];

  const use = (fault: SqlFault): void => {
    if (fault.times === null) return;
    fault.times -= 1;
    if (fault.times === 0) faults = faults.filter((other) => other !== fault);
  };
  const matching = (place: FaultPlace): SqlFault[] =>
    faults.filter((fault) => isSame(fault.server, place.server) && isSame(fault.database, place.database));

  const registry: SqlFaults = {
    add: (fault) => void faults.push(sqlFaultSchema.parse(fault)),
    clear: () => {
      faults = [];
    },
    list: () => faults.map((fault) => ({ ...fault })),
    atLogin: (place) => {
      const found: LoginFaults = { delayMs: 0, strike: null };
      for (const fault of matching(place)) {
        if (fault.kind === 'delayLogin') {
          found.delayMs += fault.delayMs;
          use(fault);
        } else if ((fault.kind === 'refuseLogin' || fault.kind === 'dropLogin') && found.strike === null) {
          found.strike = { ...fault };
          use(fault);
        }
      }
      return found;
    },
    atRequest: (place, ordinal, request) => {
      const found: RequestFaults = { delayBeforeMs: 0, delayAfterMs: 0, strike: null };
      if (faults.length === 0) return found; // the usual case costs nothing
      for (const fault of matching(place)) {
        if (!isAboutRequests(fault) || !matchesRequest(fault, ordinal, request)) continue;
        if (fault.kind === 'delayRequest') {
          if (fault.when === 'before') found.delayBeforeMs += fault.delayMs;
          else found.delayAfterMs += fault.delayMs;
          use(fault);
        } else if (found.strike === null) {
          found.strike = { ...fault };
          use(fault);
        }
      }
      return found;
    },
    atAttention: (place) => {
      for (const fault of matching(place)) {
        if (fault.kind !== 'holdAttention') continue;
        use(fault);
        return fault;
      }
      return null;
    },
  };
  for (const fault of initial) registry.add(fault);
  return registry;
}

type RequestFault = FaultOf<'delayRequest' | 'dropRequest' | 'failRequest'>;

function isAboutRequests(fault: SqlFault): fault is RequestFault {
  return fault.kind === 'delayRequest' || fault.kind === 'dropRequest' || fault.kind === 'failRequest';
}

function matchesRequest(fault: RequestFault, ordinal: number, request: SqlRequest): boolean {
  if (fault.onRequest !== undefined && fault.onRequest !== ordinal) return false;
  return fault.textMatches === undefined || new RegExp(fault.textMatches, 'i').test(textOf(request));
}

/** What `textMatches` is matched against. */
function textOf(request: SqlRequest): string {
  switch (request.kind) {
    case 'batch':
      return request.text;
    case 'procedure':
      return [request.name, ...request.parameters.map(({ value }) => value)]
        .filter((part) => typeof part === 'string')
        .join('\n');
    case 'transaction':
      return `${request.operation.kind} transaction`;
  }
}

function isSame(wanted: string | undefined, actual: string): boolean {
  return wanted === undefined || wanted.toLowerCase() === actual.toLowerCase();
}

function isRegularExpression(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}
