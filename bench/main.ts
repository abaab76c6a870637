import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../lib/platform/errors';
import { benchAcknowledgements } from './acknowledgements/suite';
import { benchCounters } from './counters/suite';
import { benchDatabaseRuns } from './database-runs/suite';
import { type BenchOptions, readBenchOptions, usage } from './options';
import { benchRealFleet } from './real-fleet/suite';
import { type Verdict, verdictTable } from './report';
import { benchScale } from './simulation/suite';

const say = (text: string): void => console.log(text);

/** `npm run bench`. */
async function main(): Promise<void> {
  const options = readBenchOptions(process.argv.slice(2));
  if (options.help) {
    say(usage);
    return;
  }
  say(`Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}.`);
  say('No SQL Server is involved: SQL time is that of the stand-in, or injected.');
  const folder = mkdtempSync(join(tmpdir(), 'sqlfleet-bench-'));
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  // Children end by themselves when this process is gone.
  process.once('SIGINT', () => {
    clean();
    process.exit(130);
  });
  try {
    const verdicts = await bench(options, folder);
    say(`\n${verdictTable(verdicts)}`);
    if (verdicts.some(({ holds }) => holds === false)) process.exitCode = 1;
  } finally {
    clean();
  }
}

async function bench(options: BenchOptions, folder: string): Promise<Verdict[]> {
  if (options.counters) return benchCounters(options, folder, say);
  const databases = options['real-fleet'];
  if (databases !== undefined) return benchRealFleet({ ...options, databases }, folder, say);
  const { only } = options;
  const runs = (part: NonNullable<typeof only>): boolean => only === undefined || only === part;
  return [
    ...(runs('scale') ? await benchScale(options, say) : []),
    ...(runs('database-runs') ? await benchDatabaseRuns(options, join(folder, 'certificates'), say) : []),
    ...(runs('acknowledgements') ? await benchAcknowledgements(say) : []),
  ];
}

main().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exitCode = 1;
});
