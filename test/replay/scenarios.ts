import { type ControlAction } from '../../lib/builds/control';
import { activityNames } from '../../lib/builds/orchestrators/build';
import { type SimulatedFleetOptions } from '../support/simulated-fleet';

/** One way that a build can go, played on simulated databases and time while its orchestration is recorded. */
export interface Scenario {
  name: string;
  targets: number;
  /** Options of the build as a caller gives them. */
  options: object;
  /** How targets end; default: committed. */
  build?: SimulatedFleetOptions['build'];
  /** How many turns the workers take while the orchestration sleeps once. */
  turnsPerSleep: number;
  /** Which calls of an activity throw, counted from 1. */
  throws?: (activity: string, call: number) => boolean;
  /** What a person does, by the number of the sleep that it interrupts. */
  controls?: Readonly<Record<number, ControlAction>>;
  clusterMissing?: boolean;
}

const wholeFleet = { targets: 40, options: { concurrencyLimit: 4 }, turnsPerSleep: 4 };

export const scenarios: readonly Scenario[] = [
  { name: 'succeeded', ...wholeFleet },
  {
    name: 'finished-with-failures',
    ...wholeFleet,
    build: ({ target }) => (target.line % 10 === 0 ? 'rolledBack' : 'committed'),
  },
  { name: 'paused-and-resumed', ...wholeFleet, turnsPerSleep: 1, controls: { 2: 'pause', 4: 'resume' } },
  { name: 'cancelled', ...wholeFleet, turnsPerSleep: 1, controls: { 2: 'cancel' } },
  { name: 'failing-activities', ...wholeFleet, throws: (_activity, call) => call <= 2 },
  {
    // One target at a time and one per look: more looks than one history takes.
    name: 'continued-as-new',
    targets: 45,
    options: { concurrencyType: 'Count', concurrencyLimit: 1 },
    turnsPerSleep: 1,
  },
  { name: 'gave-up-in-prepare', ...wholeFleet, throws: (activity) => activity === activityNames.prepare },
  { name: 'cluster-missing', ...wholeFleet, clusterMissing: true },
];
