import { ServiceError } from '../network/service-error';
import { type BlobContainer } from './store';

export interface Listing {
  /** Blob names and, with a delimiter, the common prefixes, in order. */
  entries: ({ kind: 'blob'; name: string } | { kind: 'prefix'; name: string })[];
  nextMarker: string;
}

/** One page of the names of a container. Markers say what came last, so that names may come and go between pages. */
export function listBlobs(
  container: BlobContainer,
  options: { prefix: string; delimiter: string; marker: string; maxResults: number },
): Listing {
  const names = (container.sortedNames ??= [...container.blobs.keys()].sort());
  const { prefix, delimiter, maxResults } = options;
  const after = decodeMarker(options.marker);
  const entries: Listing['entries'] = [];
  for (let at = firstAfter(names, after?.name ?? prefix, after?.kind ?? null); at < names.length; at += 1) {
    const name = names[at] ?? '';
    if (!name.startsWith(prefix)) break;
    const end = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length);
    const last = entries.at(-1);
    if (last?.kind === 'prefix' && name.startsWith(last.name)) continue;
    if (entries.length === maxResults) return { entries, nextMarker: last === undefined ? '' : encodeMarker(last) };
    entries.push(end === -1 ? { kind: 'blob', name } : { kind: 'prefix', name: name.slice(0, end + delimiter.length) });
  }
  return { entries, nextMarker: '' };
}

/** Index of the first name behind a blob or behind everything under a prefix; without either, of `from` itself. */
function firstAfter(names: readonly string[], from: string, behind: 'blob' | 'prefix' | null): number {
  const isBefore = (name: string): boolean =>
    name < from || (behind === 'blob' && name === from) || (behind === 'prefix' && name.startsWith(from));
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(names[middle] ?? '')) low = middle + 1;
    else high = middle;
  }
  return low;
}

function encodeMarker({ kind, name }: { kind: 'blob' | 'prefix'; name: string }): string {
  return Buffer.from(`${kind}:${name}`).toString('base64url');
}

function decodeMarker(marker: string): { kind: 'blob' | 'prefix'; name: string } | null {
  if (marker === '') return null;
  const text = Buffer.from(marker, 'base64url').toString();
  if (text.startsWith('blob:')) return { kind: 'blob', name: text.slice('blob:'.length) };
  if (text.startsWith('prefix:')) return { kind: 'prefix', name: text.slice('prefix:'.length) };
  throw new ServiceError(400, 'OutOfRangeInput', `Marker ${marker} is malformed.`);
}
