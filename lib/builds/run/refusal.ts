import { type Ending } from './attempt';
import { ownFault } from './fault';
import { type DatabasePlan } from './plan';

/** Why a database is not touched although scripts would have to run: said so that a person can act on it. */
export function refusalOf(plan: Extract<DatabasePlan, { kind: 'drift' | 'interrupted' }>, database: string): Ending {
  if (plan.kind === 'drift') {
    const [first] = plan.drifts;
    const texts = plan.drifts.map(
      ({ script, recordedHash, currentHash }) =>
        `${script.fileName} ran with hash ${recordedHash} and has ${currentHash} now`,
    );
    const fault = ownFault(
      { code: 'sql.drift', action: 'permanent' },
      `A script that runs once was changed after it ran: ${texts.join('; ')}. Give the changed script a new id (in a package of plain .sql files: a new name), or take its old text again.`,
      { database, ...(first === undefined ? {} : { script: first.script }) },
    );
    return { kind: 'failed', fault };
  }
  const [first] = plan.interruptions;
  const texts = plan.interruptions.map(({ script, buildId }) => `${script.fileName} of build ${buildId}`);
  const fault = ownFault(
    { code: 'sql.interrupted', action: 'unknown' },
    `Begun without a transaction, and nobody knows how it ended: ${texts.join('; ')}. Look at the database, then set State to done or failed in dbo.Sqlfleet_Journal.`,
    { database, ...(first === undefined ? {} : { script: first.script }) },
  );
  return { kind: 'interrupted', fault };
}
