import { completeList } from '../../../lib/platform/databricks-lists';
import { AppError } from '../../../lib/platform/errors';

const pageSize = 3;
/** A list that changes before the reads of pages that are named, counted from the first; tokens count items. */
const listOf = (items: string[], changes: Record<number, (list: string[]) => void>) => {
  let reads = 0;
  return {
    reads: () => reads,
    read: async (token: string | null) => {
      changes[reads]?.(items);
      reads += 1;
      const start = Number(token ?? 0);
      const end = start + pageSize;
      return { items: items.slice(start, end), next: end < items.length ? String(end) : null };
    },
  };
};
const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const toFront = (item: string) => (list: string[]) => void list.unshift(...list.splice(list.indexOf(item), 1));
const toEnd = (item: string) => (list: string[]) => void list.push(...list.splice(list.indexOf(item), 1));
const complete = async (changes: Record<number, (list: string[]) => void>) =>
  (await completeList(listOf([...all], changes).read, (item) => item)).sort();

it.each<[string, Record<number, (list: string[]) => void>]>([
  ['from a later page to one that was read', { 1: toFront('g') }],
  ['from a page that was read to a later one', { 1: toEnd('a') }],
  ['there and back in each of the first readings', { 1: toFront('g'), 3: toEnd('g'), 4: toFront('g') }],
])('sees items that move %s, each once', async (_how, changes) => {
  expect(await complete(changes)).toEqual(all);
});

it('takes the last of two readings that agree: what was deleted in between is gone', async () => {
  const gone = (list: string[]) => void list.splice(list.indexOf('b'), 1);
  expect(await complete({ 1: gone })).toEqual(['a', 'c', 'd', 'e', 'f', 'g']);
});

it('reads a list of one page once', async () => {
  const { read, reads } = listOf(['a'], {});
  expect([await completeList(read, (item) => item), reads()]).toEqual([['a'], 1]);
});

it('begins again when a later page is refused, and tells the refusal when that goes on', async () => {
  const refusal = new AppError('databricks.refused', 'refused', { details: { errorCode: 'EXPIRED' } });
  const { read } = listOf([...all], {});
  let refusals = 2;
  const refusing = async (token: string | null) => {
    if (token !== null && refusals-- > 0) throw refusal;
    return read(token);
  };
  expect(await completeList(refusing, (item) => item)).toHaveLength(all.length);
  refusals = Infinity;
  await expect(completeList(refusing, (item) => item)).rejects.toBe(refusal);
});

it('does not go round in circles', async () => {
  const round = async () => ({ items: ['a'], next: 'again' });
  await expect(completeList(round, (item) => item)).rejects.toMatchObject({ code: 'databricks.malformed' });
});
