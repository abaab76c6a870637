import { readBenchOptions } from '../../bench/options';

describe('the options of the benchmarks', () => {
  it('have defaults', () => {
    expect(readBenchOptions([])).toMatchObject({ counters: false, fleets: [20, 100, 400], pairs: 7 });
  });

  it('take lists and numbers', () => {
    expect(readBenchOptions(['--counters', '--fleets', '5,10', '--concurrency', '8'])).toMatchObject({
      counters: true,
      fleets: [5, 10],
      concurrency: 8,
    });
  });

  it.each([[['--fleets', '10']], [['--fleets', '100,10']], [['--pairs', 'some']], [['--profiles', 'moon']]])(
    'are refused by name when they make no sense: %j',
    (args) => {
      expect(() => readBenchOptions(args)).toThrow(args[0]);
    },
  );
});
