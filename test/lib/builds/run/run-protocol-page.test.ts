import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkpoint,
  epilogue,
  preamble,
  rollback,
  rollbackToSavepoint,
  setSavepoint,
} from '../../../../lib/builds/run/protocol';
import { allLogColumns, type BuildStamp, type RanScript } from '../../../../lib/builds/run/tables';
import { script } from './fixtures';

const page = readFileSync(join(__dirname, '../../../../docs/run-protocol.md'), 'utf8').replaceAll('\r\n', '\n');

const stamp: BuildStamp = {
  buildId: '20260102-0304-ab12',
  targetId: 'f00d',
  attempt: 1,
  packageSha256: '…',
  packageHash: '…',
  buildFileName: 'orders.sbm',
  description: 'May release',
  requestedBy: 'ada',
  database: 'orders',
  version: 'sqlfleet 0.1',
};
const first = script('CREATE TABLE t (id int)', {
  fileName: '001.sql',
  scriptId: '0f8fad5b-d9cb-469f-a165-70867728950e',
  sha256: '…',
  hash: '…',
});
const ran: RanScript = {
  script: first,
  sequence: 1,
  state: 'done',
  startedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  finishedAtMs: Date.UTC(2026, 0, 2, 3, 4, 6),
};
const second = { ...first, fileName: '002.sql', scriptId: '7c9e6679-7425-40de-944b-e07fc1f90ae7' };
const next: RanScript = { ...ran, script: second, sequence: 2, state: 'started', finishedAtMs: null };
const tables = { journal: true, logColumns: allLogColumns };

it.each([
  [
    'preamble',
    preamble({
      ...stamp,
      runOnceScriptIds: [first.scriptId],
      transactional: true,
      xactAbort: true,
      lockTimeoutMs: 60_000,
    }),
  ],
  ['epilogue', epilogue({ stamp, transactionId: '4711', rows: [ran], tables })],
  ['checkpoint', checkpoint({ stamp, tables, ended: ran, next }, true)],
  ['savepoint', setSavepoint(1)],
  ['way back to it', rollbackToSavepoint(1)],
  ['rollback', rollback],
])('the page about the run protocol shows the %s as it is sent', (_name, text) => {
  expect(page).toContain(text);
});
