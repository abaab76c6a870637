import { z } from 'zod';
import { type Route } from '../lib/platform/http';

interface Json {
  [name: string]: unknown;
}

/** OpenAPI 3.1 document of the routes: their schemas are the ones that requests are checked with, so it cannot drift. */
export function openApiDocument(routes: readonly Route[], version: string): Json {
  const paths: Record<string, Json> = {};
  const schemas: Record<string, Json> = {};
  for (const route of routes) {
    const path = `/api/${route.path}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, schemas) };
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
    components: {
      securitySchemes: { functionKey: { type: 'apiKey', in: 'header', name: 'x-functions-key' } },
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => a.localeCompare(b, 'en'))),
    },
  };
}

/** @param schemas takes up what is described once and referred to from everywhere: schemas with an `id` in their meta data */
function operation(route: Route, schemas: Record<string, Json>): Json {
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
    ...(route.authLevel === 'anonymous' ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: mapValues(route.body, (schema) => ({ schema: jsonSchema(schema, 'input', schemas) })),
          },
        }),
    responses: Object.fromEntries(
      Object.entries(route.responses).map(([status, response]) => [
        status,
        {
          description: response.description,
          ...(response.headers === undefined
            ? {}
            : { headers: mapValues(response.headers, (text) => ({ description: text, schema: { type: 'string' } })) }),
          ...contentOf(response, schemas),
        },
      ]),
    ),
  };
}

function contentOf({ body, mediaType, bodies }: Route['responses'][number], schemas: Record<string, Json>): Json {
  const main = body === undefined ? [] : [mediaType ?? 'application/json'].flat().map((each) => [each, body] as const);
  const all = [...main, ...Object.entries(bodies ?? {})];
  if (all.length === 0) return {};
  return {
    content: Object.fromEntries(all.map(([type, schema]) => [type, { schema: jsonSchema(schema, 'output', schemas) }])),
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

/** What a schema accepts and what it answers with differ where it has defaults, so the two have a name each. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output', schemas: Record<string, Json>): Json {
  const nameOf = (id: string): string => (io === 'input' ? `${id}Request` : id);
  const { $schema: _dialect, $defs = {}, ...own } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  for (const [id, definition] of Object.entries($defs)) schemas[nameOf(id)] = referring(definition, nameOf);
  const id = schema.meta()?.id;
  if (id === undefined) return referring(own, nameOf);
  // A schema with a name may come as nothing but a reference to its own definition, which is taken up already.
  if ($defs[id] === undefined) schemas[nameOf(id)] = referring(own, nameOf);
  return { $ref: `#/components/schemas/${nameOf(id)}` };
}

/** The same with references into the document instead of into itself. */
function referring(schema: object, nameOf: (id: string) => string): Json {
  const { id: _id, ...rest } = z.record(z.string(), z.unknown()).parse(schema);
  const text = JSON.stringify(rest, (key, value: unknown) =>
    key === '$ref' && typeof value === 'string'
      ? value.replace(/^#\/\$defs\/(.*)$/, (_, id: string) => `#/components/schemas/${nameOf(id)}`)
      : value,
  );
  return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
