import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { messageOf } from '../../lib/platform/errors';
import { launchCloud, type LaunchedCloud } from '../../local/launcher/launch';
import { type LaunchOptions, launchOptionsSchema } from '../../local/launcher/options';

export interface DemoDeps {
  /** Of the demo: `events`. */
  name: string;
  /** What is said before the cloud starts, and after it is gone. */
  intro: string;
  outro: string;
  options: Partial<LaunchOptions>;
  run: (cloud: LaunchedCloud, state: string) => Promise<void>;
  /** Ends what the demo itself started. */
  stop?: () => Promise<void>;
}

/**
 * Runs a demo on an embedded cloud of its own and leaves nothing behind. What the app logs is for Azure Monitor and would
 * stand in the middle of the story, so it goes into a file, which is kept where the demo fails.
 */
export async function runDemo({ name, intro, outro, options, run, stop }: DemoDeps): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), `sqlfleet-demo-${name}-`));
  const logFile = `${state}.log`;
  const log = createWriteStream(logFile);
  let cloud: LaunchedCloud | undefined;
  const clean = async (): Promise<void> => {
    await stop?.();
    await cloud?.stop();
    rmSync(state, { recursive: true, force: true });
    log.end();
    await finished(log);
  };
  process.once('SIGINT', () => {
    void clean()
      .then(() => rmSync(logFile, { force: true }))
      .finally(() => process.exit(130));
  });
  try {
    console.log(intro);
    cloud = await launchCloud(
      launchOptionsSchema.parse({ state, 'free-ports': true, ...options }),
      undefined,
      'pipe',
      (output) => void (log.writableEnded || log.write(output)),
    );
    await run(cloud, state);
    await clean();
    rmSync(logFile, { force: true });
    console.log(`\n${outro}`);
  } catch (error) {
    await clean();
    console.error(`\nThe demo failed: ${messageOf(error)}\nWhat the app logged is in ${logFile}`);
    process.exitCode = 1;
  }
}
