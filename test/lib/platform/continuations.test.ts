import { continuationsOf } from '../../../lib/platform/http';

describe('a continuation', () => {
  const list = continuationsOf(['outcomes', 'build-1', { status: 'failed' }]);

  it('goes on in the list that gave it', () => {
    const token = list.encode('{"place":7}');
    expect(continuationsOf(['outcomes', 'build-1', { status: 'failed' }]).decode(token ?? '')).toBe('{"place":7}');
    expect(list.decode(undefined)).toBeNull();
    expect(list.encode(null)).toBeNull();
  });

  it.each([
    ['another list', ['builds', 'build-1', { status: 'failed' }]],
    ['another build', ['outcomes', 'build-2', { status: 'failed' }]],
    ['another filter', ['outcomes', 'build-1', { status: 'committed' }]],
  ])('is refused by %s, which would go on somewhere and leave out what was never seen', (_said, other) => {
    const token = list.encode('{"place":7}') ?? '';
    expect(() => continuationsOf(other).decode(token)).toThrow(
      expect.objectContaining({ code: 'request.continuation', status: 400 }),
    );
  });

  it.each(['', 'abc', '%00', 'a'.repeat(9_000)])('is refused when nobody gave it: %.10s', (forged) => {
    expect(() => list.decode(forged)).toThrow(expect.objectContaining({ code: 'request.continuation' }));
  });
});
