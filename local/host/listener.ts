/** A source of work, one per function with a trigger that has to be polled: started after the app, stopped before it. */
export interface TriggerListener {
  start(): Promise<void>;
  /** Takes nothing new from now on; resolves when all that it took is settled. */
  stop(): Promise<void>;
  /** Lets go of connections and files, whether or not `stop` has come to its end. */
  close(): Promise<void>;
}
