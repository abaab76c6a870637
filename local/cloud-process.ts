import { startCloud } from './launcher/cloud';
import { launchOptionsSchema } from './launcher/options';
import { type CloudMessage } from './launcher/process-messages';
import { messageOf } from '../lib/platform/errors';

/**
 * The process in which the whole embedded cloud and the app run. Its parent has set `NODE_EXTRA_CA_CERTS`, which Node
 * reads once, at start; that is why it is a process of its own.
 */
async function main(): Promise<void> {
  // The parent was killed: end at once, as it did, also while starting. Everything that matters is on disk.
  process.on('disconnect', () => process.exit(1));
  const options = launchOptionsSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
  const cloud = await startCloud(options);
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    void cloud
      .stop()
      .catch((error: unknown) => process.stderr.write(`stopping failed: ${messageOf(error)}\n`))
      .finally(() => process.exit(0));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('message', (message) => {
    if (message === 'stop') stop();
  });
  tell({ kind: 'ready', endpoints: cloud.endpoints, startMs: cloud.startMs });
}

function tell(message: CloudMessage, told?: () => void): void {
  process.send?.(message, undefined, undefined, told);
}

main().catch((error: unknown) => {
  // The parent shows the message; the stack is for whoever asked for more.
  if (process.argv[2]?.includes('"verbose":true') === true) console.error(error);
  // What had started is stopped; a connection that a client holds open must not keep the process.
  tell({ kind: 'failed', message: messageOf(error) }, () => process.exit(1));
});
