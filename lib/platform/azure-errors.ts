import { AppError, isAppError, messageOf } from './errors';

/** What an answer of Azure Resource Manager says about trying again. */
export type AzureFailureClass =
  /** Wrong in itself: rights, policy, an invalid value. The same call fails for ever. */
  | 'configuration'
  /** The region, or the subscription in it, takes no more. */
  | 'region'
  /** Busy, throttled or unreachable. */
  | 'transient'
  /** The name is taken, somewhere in the world. */
  | 'name';

const nameCodes = /NameAlreadyExists|NameNotAvailable|InvalidResourceLocation|ServerAlreadyExists|45157/i;
const regionCodes =
  /ProvisioningDisabled|RegionDoesNotAllowProvisioning|LocationNotAvailable|QuotaExceeded|QuotaLimit|quota limit reached|exceed allowed|NotAcceptingNew|CapacityNotAvailable|SkuNotAvailable/i;
/** 401: a token that expired on the way. Who lacks rights is told 403. */
const transientStatus = new Set([401, 408, 409, 423, 425, 429]);
/** Nobody answered, or there was no token to ask with: neither says anything about what was asked. */
const unansweredNames = /^(Abort|Timeout|CredentialUnavailable|AuthenticationRequired|AggregateAuthentication)Error$/;

/** @param text the error's code, and for a long operation that failed its message, which is all that the SDK keeps */
export function azureFailureClass(status: number | null, text: string): AzureFailureClass {
  if (nameCodes.test(text)) return 'name';
  if (regionCodes.test(text)) return 'region';
  if (status === null) {
    return /InternalServerError|Timeout|Conflict|TooManyRequests|ECONN|ENOTFOUND|EAI_AGAIN|socket|network|unavailable/i.test(
      text,
    )
      ? 'transient'
      : 'configuration';
  }
  return transientStatus.has(status) || status >= 500 ? 'transient' : 'configuration';
}

/** Maps what an Azure management SDK throws, once. `doing`: a phrase that follows "Azure refused to". */
export function azureError(error: unknown, doing: string): AppError {
  if (isAppError(error)) return error;
  const status = numberAt(error, 'statusCode');
  const code = textAt(error, 'code') ?? operationFailureCode(messageOf(error)) ?? 'Unknown';
  const failed = /long-running operation has failed/i.test(messageOf(error));
  const unanswered = error instanceof Error && unansweredNames.test(error.name);
  const named = status === null && !failed && (code !== 'Unknown' || unanswered);
  const failureClass = azureFailureClass(status, named ? `${code} unavailable` : `${code} ${messageOf(error)}`);
  return new AppError(`azure.${failureClass}`, `Azure refused to ${doing} (${code}): ${messageOf(error)}`, {
    status: failureClass === 'transient' ? 503 : 502,
    retry: failureClass === 'transient' ? { kind: 'backoff' } : { kind: 'no' },
    details: { failureClass, azureCode: code, azureStatus: status, operationFailed: failed },
    cause: error,
  });
}

/** The class of an error that was mapped here; anything else is our own trouble and may pass. */
export function failureClassOf(error: unknown): AzureFailureClass {
  const known = isAppError(error) ? error.details['failureClass'] : undefined;
  return known === 'configuration' || known === 'region' || known === 'name' ? known : 'transient';
}

export function azureCodeOf(error: unknown): string {
  const code = isAppError(error) ? error.details['azureCode'] : undefined;
  return typeof code === 'string' ? code : isAppError(error) ? error.code : 'Unknown';
}

/** Whether a long operation itself ended badly, so that asking for it again answers the same. */
export function isFailedOperation(error: unknown): boolean {
  return isAppError(error) && error.details['operationFailed'] === true;
}

export function isNotFound(error: unknown): boolean {
  return numberAt(error, 'statusCode') === 404 || (isAppError(error) && error.details['azureStatus'] === 404);
}

/** "The long-running operation has failed. SomeCode. Some message" */
function operationFailureCode(message: string): string | null {
  return /has failed\. (\w+)\./.exec(message)?.[1] ?? null;
}

function property(error: unknown, name: string): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
}

function numberAt(error: unknown, name: string): number | null {
  const value = property(error, name);
  return typeof value === 'number' ? value : null;
}

function textAt(error: unknown, name: string): string | null {
  const value = property(error, name);
  return typeof value === 'string' ? value : null;
}
