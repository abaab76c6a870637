import { createHash } from 'node:crypto';
import { type DatabaseBuildRequest, type RunOptions } from '../../../../lib/builds/model';
import { type Package, type Script } from '../../../../lib/packages/model';
import { type DatabaseOverride } from '../../../../lib/targets/model';

/** A script of which only what matters to the test is given. Each batch is one text. */
export function script(batches: string | readonly string[], given: Partial<Script> = {}): Script {
  const texts = typeof batches === 'string' ? [batches] : batches;
  const text = texts.join('\nGO\n');
  const name = given.fileName ?? 'script.sql';
  const sha256 = createHash('sha256').update(text).digest('hex');
  return {
    scriptId: guidOf(name),
    fileName: name,
    order: 1,
    description: '',
    rollBackOnError: true,
    causesBuildFailure: true,
    database: '',
    stripTransactionText: false,
    allowMultipleRuns: true,
    timeoutSeconds: null,
    tag: '',
    addedBy: '',
    modifiedBy: '',
    dateAdded: '',
    dateModified: '',
    text,
    batches: texts.map((batch, index) => ({ text: batch, line: 1 + index * 2, repeat: 1 })),
    hash: createHash('sha1').update(text).digest('hex').toUpperCase(),
    sha256,
    ...given,
  };
}

/** Scripts get the names `1.sql`, `2.sql`, ... where they have none. */
export function packageOf(scripts: readonly Script[]): Package {
  const named = scripts.map((entry, index) =>
    entry.fileName === 'script.sql'
      ? { ...entry, fileName: `${index + 1}.sql`, scriptId: guidOf(`${index + 1}.sql`) }
      : entry,
  );
  return { kind: 'sbm', name: 'package', scripts: named, packageHash: 'A'.repeat(40), sha256: 'b'.repeat(64) };
}

export function guidOf(name: string): string {
  const digest = createHash('md5').update(name).digest('hex');
  return [0, 8, 12, 16, 20].map((start, index) => digest.slice(start, [8, 12, 16, 20, 32][index])).join('-');
}

export const options: RunOptions = {
  trial: false,
  transactional: true,
  timeoutRetryCount: 0,
  defaultScriptTimeoutSeconds: 30,
  description: 'a description',
  buildFileName: 'package.sbm',
  requestedBy: 'someone',
};

export function requestOf(
  given: Partial<Omit<DatabaseBuildRequest, 'options' | 'target'>> & {
    options?: Partial<RunOptions>;
    overrides?: readonly DatabaseOverride[];
    server?: string;
  } = {},
): DatabaseBuildRequest {
  return {
    buildId: 'build-1',
    attempt: 1,
    deadlineMs: Date.UTC(2026, 0, 3),
    signal: new AbortController().signal,
    ...given,
    target: {
      id: 'target-1',
      server: given.server ?? 'server-1',
      port: null,
      overrides: given.overrides ?? [{ default: '', target: 'db1' }],
      tag: '',
      line: 1,
    },
    options: { ...options, ...given.options },
  };
}
