import { azureSqlBackoff, type BackoffPolicy } from '../../sql/backoff';

/** How patient the build of one database is. Times in milliseconds. */
export interface RunLimits {
  /** Wait for another build, or for a session that has not noticed yet that its worker is gone. */
  lockTimeoutMs: number;
  /** For the preamble beyond the lock, the epilogue, and everything else of ours. */
  protocolTimeoutMs: number;
  backoff: BackoffPolicy;
  /** How long "no such database" is believed to be a database that is just coming up. */
  brieflyMs: number;
  /** Runs of a transaction after it lost a deadlock or met a conflict. */
  conflictReruns: number;
  /** Runs of a transaction after its connection was lost. Bounded, because a script may be what kills the connection. */
  lostReruns: number;
  /** Rows of all results of one batch that are kept for the log. */
  maximumLogRows: number;
}

export const defaultLimits: RunLimits = {
  lockTimeoutMs: 60_000,
  protocolTimeoutMs: 60_000,
  backoff: azureSqlBackoff,
  brieflyMs: 120_000,
  conflictReruns: 3,
  lostReruns: 5,
  maximumLogRows: 100,
};
