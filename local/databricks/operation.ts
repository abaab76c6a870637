import { z } from 'zod';
import { jsonBody, type ServiceRequest } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { type WorkspaceState } from './state';

/** One call of the REST API on one workspace. */
export type Operation = (workspace: WorkspaceState, request: ServiceRequest) => unknown;

export interface OperationDeps {
  nowMs: () => number;
  newId: () => string;
  /** How long clusters take to start and to stop. */
  startMs: number;
  stopMs: number;
}

export function bodyOf<T>(schema: z.ZodType<T>, request: ServiceRequest): T {
  const result = schema.safeParse(jsonBody(request));
  if (result.success) return result.data;
  throw invalid(z.prettifyError(result.error));
}

export function invalid(message: string): ServiceError {
  return new ServiceError(400, 'INVALID_PARAMETER_VALUE', message);
}

export function missing(message: string): ServiceError {
  return new ServiceError(404, 'RESOURCE_DOES_NOT_EXIST', message);
}

/** Tokens count items, so a list that changes between two pages shows items twice or not at all, as offsets do. */
export function pageOf<T>(
  request: ServiceRequest,
  items: readonly T[],
  sizeName: string,
  defaultSize: number,
): { items: T[]; token: { next_page_token?: string } } {
  const size = Number(request.query.get(sizeName) ?? defaultSize);
  if (!Number.isInteger(size) || size < 1 || size > 100) throw invalid(`${sizeName} must be between 1 and 100.`);
  const token = request.query.get('page_token');
  const start = token === null ? 0 : Number(Buffer.from(token, 'base64url').toString());
  if (!Number.isInteger(start)) throw invalid('The page_token is not one of ours.');
  const end = start + size;
  const next = end < items.length ? { next_page_token: Buffer.from(String(end)).toString('base64url') } : {};
  return { items: items.slice(start, end), token: next };
}
