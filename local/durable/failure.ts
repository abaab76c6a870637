import { z } from 'zod';

/** How a failed function shows in the history of who called it. */
export interface Failure {
  Reason: string;
  Details: string;
  /** Only with an exception properties provider registered in the app. */
  FailureDetails?: Record<string, unknown>;
}

/** What durable-functions puts into an activity's error message when an exception properties provider is registered. */
const failurePayload = z.object({
  errorType: z.string(),
  errorMessage: z.string(),
  stackTrace: z.string().optional(),
  isNonRetriable: z.boolean(),
  properties: z.record(z.string(), z.unknown()),
});

/** @param error what the activity threw. */
export function activityFailure(activityName: string, error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? (error.stack ?? message) : message;
  const payload = readPayload(message);
  if (payload === null) return { Reason: `Activity function '${activityName}' failed: ${message}`, Details: stack };
  return {
    Reason: `Activity function '${activityName}' failed: ${payload.errorMessage}`,
    Details: payload.stackTrace ?? stack,
    FailureDetails: {
      ErrorType: payload.errorType,
      ErrorMessage: payload.errorMessage,
      StackTrace: payload.stackTrace,
      IsNonRetriable: payload.isNonRetriable,
      Properties: payload.properties,
    },
  };
}

function readPayload(message: string): z.infer<typeof failurePayload> | null {
  if (!message.startsWith('{')) return null;
  try {
    return failurePayload.safeParse(JSON.parse(message)).data ?? null;
  } catch {
    return null;
  }
}

/** The status output of a failed orchestration. */
export function orchestratorFailureText(name: string, message: string): string {
  return `Orchestrator function '${name}' failed: ${message}`;
}
