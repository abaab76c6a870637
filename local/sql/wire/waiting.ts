import { type Socket } from 'node:net';
import { type Clock } from '../../../lib/platform/clock';

/** Waits so long (null: without end), but not beyond the connection. Resolves to whether the connection is still open. */
export async function waitWhileOpen(socket: Socket, clock: Clock, waitMs: number | null): Promise<boolean> {
  const closed = new AbortController();
  const onClose = (): void => closed.abort();
  socket.once('close', onClose);
  if (socket.destroyed) closed.abort();
  if (waitMs !== null) await clock.sleep(waitMs, closed.signal).catch(() => undefined);
  else if (!closed.signal.aborted) await new Promise((resolve) => closed.signal.addEventListener('abort', resolve));
  socket.off('close', onClose);
  return !closed.signal.aborted;
}
