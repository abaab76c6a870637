/** AMQP error conditions that clients of the real services see, and act upon. */
export const conditions = {
  argument: 'com.microsoft:argument-error',
  entityExists: 'com.microsoft:entity-already-exists',
  internal: 'amqp:internal-error',
  linkStolen: 'amqp:link:stolen',
  messageLockLost: 'com.microsoft:message-lock-lost',
  messageNotFound: 'com.microsoft:message-not-found',
  messageTooLarge: 'amqp:link:message-size-exceeded',
  notAllowed: 'amqp:not-allowed',
  notFound: 'amqp:not-found',
  notImplemented: 'amqp:not-implemented',
  resourceLimit: 'amqp:resource-limit-exceeded',
  sessionCannotBeLocked: 'com.microsoft:session-cannot-be-locked',
  sessionLockLost: 'com.microsoft:session-lock-lost',
  timeout: 'com.microsoft:timeout',
  unauthorized: 'amqp:unauthorized-access',
} as const;

/** A refusal that is answered to the client as an AMQP error. `condition` is one of AMQP's or of the service's own. */
export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  constructor(
    readonly condition: string,
    message: string,
  ) {
    super(message);
  }
}

/** What a client is told about anything that was thrown. */
export function toAmqpError(error: unknown): { condition: string; description: string } {
  if (error instanceof BrokerError) return { condition: error.condition, description: error.message };
  return { condition: conditions.internal, description: error instanceof Error ? error.message : String(error) };
}
