import { z } from 'zod';
import { type Route } from '../lib/platform/http';

interface Json {
  [name: string]: unknown;
}

/** OpenAPI 3.1 document of the routes: their schemas are the ones that requests are checked with, so it cannot drift. */
export function openApiDocument(routes: readonly Route[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = `/api/${route.path}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sqlfleet',
      version,
      description: 'The serverless control plane for fleets of Azure SQL databases.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ functionKey: [] }],
    paths,
    components: { securitySchemes: { functionKey: { type: 'apiKey', in: 'header', name: 'x-functions-key' } } },
  };
}

function operation(route: Route): Json {
  const pathNames = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const parameters = [
    ...pathNames.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...Object.entries(route.requestHeaders ?? {}).map(([name, description]) => ({
      name,
      in: 'header',
      description,
      schema: { type: 'string' },
    })),
    ...queryParameters(route.query),
  ];
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: mapValues(route.body, (schema) => ({ schema: jsonSchema(schema, 'input') })),
          },
        }),
    responses: Object.fromEntries(
      Object.entries(route.responses).map(([status, { description, body, mediaType, headers }]) => [
        status,
        {
          description,
          ...(headers === undefined
            ? {}
            : { headers: mapValues(headers, (text) => ({ description: text, schema: { type: 'string' } })) }),
          ...(body === undefined
            ? {}
            : { content: { [mediaType ?? 'application/json']: { schema: jsonSchema(body, 'output') } } }),
        },
      ]),
    ),
  };
}

function queryParameters(query: z.ZodObject | undefined): Json[] {
  if (query === undefined) return [];
  const schema = z.toJSONSchema(query, { io: 'input', unrepresentable: 'any' });
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    in: 'query',
    ...(typeof property === 'object' && property.description !== undefined
      ? { description: property.description }
      : {}),
    explode: false,
    schema: property,
  }));
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
