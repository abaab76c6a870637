import { type z } from 'zod';
import { type policySchema } from '../../lib/capacity/policy';

/** One way that an orchestration of capacity can go, on simulated Azure and time. */
export interface CapacityScenario {
  name: string;
  orchestration: 'region' | 'database';
  /** How long Azure takes for a server or a database. */
  creationMs: number;
  /** Databases on the only server at the start; null: the region has no server. Default: 10. */
  databases?: number | null;
  policy?: z.input<typeof policySchema>;
  /** A template package is built into the database; it is seen running this many times. */
  buildsFor?: number;
  /** What Azure answers to the first call of that name. */
  refuses?: { call: string; status: number; code: string };
  /** Which calls of the activity throw, counted from 1. */
  throws?: (call: number) => boolean;
  /** The sleeps that somebody's wake-up ends. */
  wokenIn?: readonly number[];
}

const minuteMs = 60_000;

export const capacityScenarios: readonly CapacityScenario[] = [
  { name: 'region-has-enough', orchestration: 'region', creationMs: minuteMs },
  { name: 'region-gets-its-first-server', orchestration: 'region', creationMs: minuteMs, databases: null },
  { name: 'region-grows', orchestration: 'region', creationMs: minuteMs, databases: 3_900 },
  {
    name: 'region-is-woken',
    orchestration: 'region',
    creationMs: 5 * minuteMs,
    databases: null,
    wokenIn: [2, 3],
  },
  {
    name: 'region-failing-activities',
    orchestration: 'region',
    creationMs: minuteMs,
    databases: null,
    throws: (call) => call === 1 || call === 3,
  },
  { name: 'region-gave-up', orchestration: 'region', creationMs: minuteMs, throws: () => true },
  { name: 'region-continued-as-new', orchestration: 'region', creationMs: 8 * minuteMs, databases: null },
  { name: 'database-ready', orchestration: 'database', creationMs: minuteMs },
  { name: 'database-built', orchestration: 'database', creationMs: 0, buildsFor: 3 },
  {
    name: 'database-refused',
    orchestration: 'database',
    creationMs: 0,
    refuses: { call: 'putDatabase', status: 400, code: 'InvalidSku' },
  },
  {
    name: 'database-waits-for-room',
    orchestration: 'database',
    creationMs: 0,
    databases: 3_600,
    wokenIn: [2],
    policy: { limits: { databases: 5_000 } },
  },
  { name: 'database-failing-activities', orchestration: 'database', creationMs: 0, throws: (call) => call <= 2 },
  { name: 'database-continued-as-new', orchestration: 'database', creationMs: 4 * minuteMs },
];
