import { z } from 'zod';
import { ServiceError } from '../network/service-error';
import { isJsonArray, isJsonObject, memberOf, type Json, type JsonObject, type Value } from './json';

const json: z.ZodType<Json> = z.json();

/** A partial update. The service takes at most ten operations at once. */
export const patchSchema = z.object({
  operations: z
    .array(
      z.discriminatedUnion('op', [
        z.object({ op: z.enum(['add', 'set', 'replace']), path: z.string().startsWith('/'), value: json }),
        z.object({ op: z.literal('remove'), path: z.string().startsWith('/') }),
        z.object({ op: z.literal('incr'), path: z.string().startsWith('/'), value: z.number() }),
      ]),
    )
    .min(1)
    .max(10),
  condition: z.string().optional(),
});

export type Patch = z.infer<typeof patchSchema>;
type PatchOperation = Patch['operations'][number];

/**
 * Applies the operations in order and returns the new document; the given one is left alone.
 * @throws ServiceError 400 when a path does not lead anywhere.
 */
export function applyPatch(document: JsonObject, operations: Patch['operations']): JsonObject {
  return operations.reduce((current, operation) => {
    const path = operation.path
      .slice(1)
      .split('/')
      .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
    const changed = change(current, path, operation);
    if (!isJsonObject(changed)) throw refused(operation, 'would replace the document');
    return changed;
  }, document);
}

function change(node: Json, [name = '', ...rest]: string[], operation: PatchOperation): Json {
  if (rest.length > 0) {
    const child = memberOf(node, isJsonArray(node) ? Number(name) : name);
    if (child === undefined) throw refused(operation, `has no parent: ${name} does not exist`);
    return put(node, name, change(child, rest, operation), operation);
  }
  const current = memberOf(node, isJsonArray(node) ? Number(name) : name);
  switch (operation.op) {
    case 'add':
      return isJsonArray(node)
        ? insert(node, name, operation.value, operation)
        : put(node, name, operation.value, operation);
    case 'set':
      return put(node, name, operation.value, operation);
    case 'replace':
      if (current === undefined) throw refused(operation, 'replaces what does not exist');
      return put(node, name, operation.value, operation);
    case 'remove':
      if (current === undefined) throw refused(operation, 'removes what does not exist');
      return without(node, name);
    case 'incr':
      return put(node, name, incremented(current, operation), operation);
  }
}

function incremented(current: Value, operation: PatchOperation & { op: 'incr' }): number {
  if (current !== undefined && typeof current !== 'number') throw refused(operation, 'increments what is not a number');
  return (current ?? 0) + operation.value;
}

function put(node: Json, name: string, value: Json, operation: PatchOperation): Json {
  if (isJsonObject(node)) return { ...node, [name]: value };
  if (!isJsonArray(node)) throw refused(operation, 'leads into a scalar');
  if (name === '-' || Number(name) === node.length) return [...node, value];
  if (node[Number(name)] === undefined) throw refused(operation, 'lies outside of the array');
  return node.map((each, at) => (at === Number(name) ? value : each));
}

function insert(node: readonly Json[], name: string, value: Json, operation: PatchOperation): Json {
  const at = name === '-' ? node.length : Number(name);
  if (!Number.isInteger(at) || at < 0 || at > node.length) throw refused(operation, 'lies outside of the array');
  return [...node.slice(0, at), value, ...node.slice(at)];
}

function without(node: Json, name: string): Json {
  if (isJsonArray(node)) return node.filter((_, at) => at !== Number(name));
  return isJsonObject(node) ? Object.fromEntries(Object.entries(node).filter(([each]) => each !== name)) : node;
}

function refused(operation: PatchOperation, why: string): ServiceError {
  return new ServiceError(400, 'BadRequest', `Patch operation ${operation.op} ${operation.path} ${why}.`);
}
