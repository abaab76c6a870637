import { type ScriptRun, type SqlFailure, type ScriptRunStatus } from '../model';
import { type Fault } from './fault';
import { type NumberedScript } from './plan';

/** How one try at one target ended: from the login to the last COMMIT. */
export type Ending =
  /** Everything that had to run is durable, now or since an earlier try of this build. */
  | { kind: 'committed' }
  | { kind: 'alreadyApplied' }
  | { kind: 'trialRolledBack' }
  | { kind: 'cancelled' }
  /** The COMMIT was sent to `database`, and the answer did not come. */
  | { kind: 'commitUnknown'; fault: Fault }
  /** Without a transaction, a script was begun and nobody knows how it ended. */
  | { kind: 'interrupted'; fault: Fault }
  | { kind: 'failed'; fault: Fault };

export interface Attempt {
  ending: Ending;
  /** All databases of the target were locked and their journals read: what an earlier try left in doubt is known. */
  asked: boolean;
  /** At least one batch of a script was sent. */
  began: boolean;
  /** Something of this build is in a database to stay, by this try or an earlier one. */
  durable: boolean;
  scripts: ScriptRun[];
}

/** A try that has not done anything yet. */
export function newAttempt(): Attempt {
  return { ending: { kind: 'cancelled' }, asked: false, began: false, durable: false, scripts: [] };
}

/** The scripts of one try with what became of them, in build order. Starts with all of them not reached. */
export interface ScriptBoard {
  set(
    numbered: NumberedScript,
    status: ScriptRunStatus,
    database: string,
    durationMs: number,
    failure: SqlFailure | null,
  ): void;
  /** What these scripts did is gone. */
  rolledBack(sequences: readonly number[]): void;
  list(): ScriptRun[];
}

export function createScriptBoard(scripts: readonly (NumberedScript & { database: string })[]): ScriptBoard {
  const runs = new Map<number, ScriptRun>(
    scripts.map(({ script, sequence, database }) => [
      sequence,
      {
        scriptId: script.scriptId,
        fileName: script.fileName,
        database,
        status: 'notReached',
        durationMs: 0,
        failure: null,
      },
    ]),
  );
  return {
    set({ script, sequence }, status, database, durationMs, failure) {
      runs.set(sequence, {
        scriptId: script.scriptId,
        fileName: script.fileName,
        database,
        status,
        durationMs,
        failure,
      });
    },
    rolledBack(sequences) {
      for (const sequence of sequences) {
        const run = runs.get(sequence);
        if (run !== undefined) runs.set(sequence, { ...run, status: 'rolledBack' });
      }
    },
    list: () => [...runs.values()],
  };
}
