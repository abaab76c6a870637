import { z } from 'zod';
import { jsonBody, jsonResponse, type ServiceRequest, type ServiceResponse } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { type ArmFaults } from './faults';

/** Answers one part of a list after the other, as ARM does. */
export interface Lists {
  page<T>(
    operation: string,
    request: ServiceRequest,
    entries: readonly T[],
    render?: (entry: T) => unknown,
  ): ServiceResponse;
}

export function createLists(deps: { pageSize: () => number; faults: ArmFaults }): Lists {
  return {
    page(operation, request, entries, render = (entry) => entry) {
      const told = entries.slice(0, deps.faults.atList(operation) ?? entries.length);
      const start = Number(request.query.get('$skiptoken') ?? 0);
      const end = start + deps.pageSize();
      const query = new URLSearchParams(request.query);
      query.set('$skiptoken', String(end));
      const nextLink = end < told.length ? { nextLink: `${request.origin}${request.path}?${query.toString()}` } : {};
      return jsonResponse(200, { value: told.slice(start, end).map(render), ...nextLink });
    },
  };
}

/** @throws ServiceError 400 that lists what is wrong with the body. */
export function parsed<T>(schema: z.ZodType<T>, request: ServiceRequest): T {
  const result = schema.safeParse(jsonBody(request));
  if (result.success) return result.data;
  throw new ServiceError(400, 'InvalidRequestContent', z.prettifyError(result.error));
}

export function notFound(resource: string): ServiceError {
  return new ServiceError(404, 'ResourceNotFound', `The Resource '${resource}' was not found.`);
}
