import { z } from 'zod';
import { ServiceError } from '../network/service-error';
import { type Item } from './item';
import { parseObject, type Json, type JsonObject, type Value } from './json';
import { compileQuery, countOf, distinct, type CompiledQuery, type QueryContext, type Row } from './sql/evaluate';
import { parseCondition, parseQuery } from './sql/parser';
import { QuerySyntaxError, type Query } from './sql/syntax';

export interface QueryRequest {
  text: string;
  parameters: ReadonlyMap<string, Json>;
  /** Documents after a sequence number, in the order of their creation. */
  items(afterSequence: number): Iterable<Item>;
  /** The document as clients see it, as JSON text. */
  render(item: Item): string;
  maxItemCount: number;
  /** Where the page before ended; null for the first page. */
  continuation: string | null;
  nowMs: number;
  /** Answers with what `sort` made for an earlier page of the same query, where nothing has changed since. */
  sorted(sort: () => SortedRow[]): readonly SortedRow[];
}

/** Where a row of a query with ORDER BY stands, without what it shows. */
export interface SortedRow extends Position {
  item: Item;
}

export interface QueryPage {
  /** JSON texts. */
  results: string[];
  /** Opaque text that continues after this page; null: there is nothing more. */
  continuation: string | null;
}

const positionSchema = z.object({
  /** Sequence and place within the results of one document; for grouped results only the place counts. */
  sequence: z.number(),
  place: z.number(),
  keys: z.array(z.array(z.json())),
  /** How many results OFFSET has skipped so far, and how many were delivered. */
  skipped: z.number(),
  taken: z.number(),
});

interface Position {
  sequence: number;
  place: number;
  keys: Value[];
}
interface Hit extends Position {
  text: string;
}

const maxPageBytes = 4 * 1024 * 1024;

/**
 * Runs one page of a query. Without ORDER BY, grouping and DISTINCT it reads on where the last page ended and stops when
 * the page is full. ORDER BY sorts once for all pages while nothing changes; grouping and DISTINCT look at every document
 * for every page.
 *
 * @throws ServiceError 400 for a query that is not understood, naming what is not.
 */
export function runQuery(request: QueryRequest): QueryPage {
  return explained(() => {
    const query = parseQuery(request.text);
    const context: QueryContext = { parameters: request.parameters, nowMs: request.nowMs };
    const compiled = compileQuery(query, context, new Set());
    const offset = query.offset === null ? 0 : countOf(query.offset, context, 'OFFSET');
    const limit = Math.min(
      query.limit === null ? Infinity : countOf(query.limit, context, 'LIMIT'),
      query.top === null ? Infinity : countOf(query.top, context, 'TOP'),
    );

    const from = request.continuation === null ? null : decode(request.continuation);
    let [skipped, taken, bytes] = [from?.skipped ?? 0, from?.taken ?? 0, 0];
    let last: Position =
      from === null ? { sequence: 0, place: -1, keys: [] } : { ...from, keys: from.keys.map(([key]) => key) };
    const results: string[] = [];
    for (const hit of hitsOf(query, compiled, request, last)) {
      if (taken >= limit) break;
      if (skipped < offset) {
        skipped += 1;
      } else {
        if (results.length >= request.maxItemCount || bytes > maxPageBytes) {
          return { results, continuation: encode({ ...last, skipped, taken }) };
        }
        results.push(hit.text);
        bytes += hit.text.length;
        taken += 1;
      }
      last = hit;
    }
    return { results, continuation: null };
  });
}

/** Whether a document satisfies the condition of a patch, `FROM c WHERE ...`. */
export function satisfiesCondition(document: JsonObject, condition: string, nowMs: number): boolean {
  return explained(() => {
    const compiled = compileQuery(parseCondition(condition), { parameters: new Map(), nowMs }, new Set());
    return compiled.rows({}, document).length > 0;
  });
}

function* hitsOf(query: Query, compiled: CompiledQuery, request: QueryRequest, last: Position): Iterable<Hit> {
  if (compiled.group !== null || query.distinct) {
    const all = resultsOf(query, compiled, request);
    for (const [place, value] of all.entries()) {
      if (place > last.place && value !== undefined)
        yield { sequence: 0, place, keys: [], text: JSON.stringify(value) };
    }
  } else if (query.orderBy.length > 0) {
    const compareRows = (left: Position, right: Position): number =>
      compiled.compareKeys(left.keys, right.keys) || left.sequence - right.sequence || left.place - right.place;
    const rows = request.sorted(() => [...sortableRows(compiled, request)].sort(compareRows));
    for (const row of last.sequence === 0 ? rows : rows.slice(firstAfter(rows, last, compareRows))) {
      const text = textOf(query, compiled, request.render(row.item), row.place);
      if (text !== undefined) yield { ...row, text };
    }
  } else {
    for (const hit of plainHits(query, compiled, request, Math.max(0, last.sequence - 1))) {
      if (hit.sequence > last.sequence || hit.place > last.place) yield hit;
    }
  }
}

/** One hit per row that passes WHERE, document by document. */
function* plainHits(query: Query, compiled: CompiledQuery, request: QueryRequest, after: number): Generator<Hit> {
  for (const item of request.items(after)) {
    const rendered = request.render(item);
    for (const [place, row] of compiled.rows({}, parseObject(rendered)).entries()) {
      const text = shown(query, compiled, rendered, row);
      if (text !== undefined) yield { sequence: item.sequence, place, keys: [], text };
    }
  }
}

function* sortableRows(compiled: CompiledQuery, request: QueryRequest): Generator<SortedRow> {
  for (const item of request.items(0)) {
    for (const [place, row] of compiled.rows({}, parseObject(request.render(item))).entries()) {
      yield { sequence: item.sequence, place, keys: compiled.orderKeys(row), item };
    }
  }
}

function textOf(query: Query, compiled: CompiledQuery, rendered: string, place: number): string | undefined {
  const row = compiled.rows({}, parseObject(rendered))[place];
  return row === undefined ? undefined : shown(query, compiled, rendered, row);
}

/** The result that a row stands for. Undefined: a row without a value is no result. */
function shown(query: Query, compiled: CompiledQuery, rendered: string, row: Row): string | undefined {
  if (query.select.kind === 'all') return rendered;
  const value = compiled.project(row);
  return value === undefined ? undefined : JSON.stringify(value);
}

/** Index of the first row behind a position. */
function firstAfter(
  rows: readonly SortedRow[],
  position: Position,
  compareRows: (left: Position, right: Position) => number,
): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = rows[middle];
    if (row !== undefined && compareRows(row, position) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function resultsOf(query: Query, compiled: CompiledQuery, request: QueryRequest): Value[] {
  function* rows() {
    for (const item of request.items(0)) yield* compiled.rows({}, parseObject(request.render(item)));
  }
  if (compiled.group !== null) return query.distinct ? distinct(compiled.group(rows())) : compiled.group(rows());
  const all = [...rows()];
  if (query.orderBy.length > 0) {
    all.sort((left, right) => compiled.compareKeys(compiled.orderKeys(left), compiled.orderKeys(right)));
  }
  return distinct(all.map((row) => compiled.project(row)));
}

function encode(position: Position & { skipped: number; taken: number }): string {
  const { sequence, place, skipped, taken } = position;
  const keys = position.keys.map((key) => (key === undefined ? [] : [key]));
  return Buffer.from(JSON.stringify({ sequence, place, keys, skipped, taken })).toString('base64url');
}

function decode(continuation: string): z.infer<typeof positionSchema> {
  const parsed = positionSchema.safeParse(tryParse(Buffer.from(continuation, 'base64url').toString()));
  if (!parsed.success) throw new ServiceError(400, 'BadRequest', 'Malformed continuation token.');
  return parsed.data;
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function explained<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof QuerySyntaxError) throw new ServiceError(400, 'BadRequest', error.message);
    throw error;
  }
}
