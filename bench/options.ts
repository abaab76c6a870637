import { parseArgs } from 'node:util';
import { z } from 'zod';
import { profileNames } from './database-runs/model';

const numbers = z.string().transform((text) => text.split(',').map(Number));
const count = z.coerce.number().int().min(1);
const sizes = numbers.pipe(
  z
    .array(z.number().int().min(1))
    .min(2, 'needs two sizes')
    .refine((values) => values.every((value, index) => index === 0 || value > (values[index - 1] ?? 0)), {
      message: 'the smallest comes first',
    }),
);

export const benchOptionsSchema = z.strictObject({
  help: z.boolean().default(false),
  /** Exact counters on the embedded cloud instead of timings. */
  counters: z.boolean().default(false),
  /** One build of so many databases on the embedded cloud, watched. */
  'real-fleet': count.optional(),
  /** Logical servers of the real fleet, and scripts of its package. */
  servers: count.default(4),
  scripts: z.coerce.number().int().min(3).default(3),
  /** Databases of the builds whose counters are read. */
  fleets: sizes.default([20, 100, 400]),
  /** Simulated targets: for growth, and for memory. */
  targets: sizes.default([100, 1_000, 10_000]),
  /** One of the parts that run without options. */
  only: z.enum(['scale', 'database-runs', 'acknowledgements']).optional(),
  pairs: count.default(7),
  databases: count.default(600),
  concurrency: count.default(16),
  profiles: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(profileNames)))
    .default([...profileNames]),
});
export type BenchOptions = z.infer<typeof benchOptionsSchema>;

export const usage = `Usage: npm run bench -- [options]

Without options: timings as ratios, memory, growth. Exit code 1 where a budget does not hold.

  --counters          exact counters of real builds on the embedded cloud, against the budgets
  --fleets 20,100,400   databases of these builds
  --real-fleet 2000   one build of so many databases on the embedded cloud: memory over time, rate, history
  --servers 4 --scripts 3   logical servers of that fleet, scripts of its package
  --targets 100,1000,10000   simulated targets, for growth and memory
  --only scale        or database-runs, acknowledgements: one of the parts that run without options
  --pairs 7           pairs of runs per comparison
  --databases 600     databases per run
  --concurrency 16    databases at once
  --profiles zero,lan,wan
`;

/** @throws Error that says what is wrong with the arguments. */
export function readBenchOptions(args: readonly string[]): BenchOptions {
  const flags = ['help', 'counters'];
  const { values } = parseArgs({
    args: [...args],
    allowPositionals: false,
    options: Object.fromEntries(
      Object.keys(benchOptionsSchema.shape).map((name) => [
        name,
        { type: flags.includes(name) ? ('boolean' as const) : ('string' as const) },
      ]),
    ),
  });
  const result = benchOptionsSchema.safeParse(values);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `--${path.join('.')}: ${message}`);
  throw new Error(`${problems.join('\n')}\n\n${usage}`);
}
