import { createOrderedIndex } from '../../../local/documents/ordered-index';

it('answers like a sorted list, whatever is inserted, replaced and removed', () => {
  const index = createOrderedIndex<string>();
  const model = new Map<number, string>();
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let step = 0; step < 5_000; step += 1) {
    const key = random(400);
    if (!model.has(key)) {
      index.insert(key, `${step}`);
      model.set(key, `${step}`);
    } else if (random(3) === 0) {
      index.replace(key, `${step}!`);
      model.set(key, `${step}!`);
    } else {
      index.remove(key);
      model.delete(key);
    }
    if (step % 100 === 0) {
      const after = random(400);
      const expected = [...model.entries()].filter(([each]) => each > after).sort(([left], [right]) => left - right);
      expect([...index.after(after)]).toEqual(expected.map(([, value]) => value));
    }
    expect(index.size).toBe(model.size);
  }
});
