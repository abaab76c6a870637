import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * Vectors recorded from the predecessor. They are not part of the project: where the folder is missing, the tests that
 * need it are skipped, and jest says so.
 */
const folder = join(__dirname, '../../../../shared/vectors');
const file = join(folder, 'sql-build-manager.json');
export const hasVectors = existsSync(file);
export const describeVectors = hasVectors ? describe : describe.skip;

const override = z.object({ default: z.string(), override: z.string(), tag: z.string() });
const schema = z.object({
  batchSplit: z.array(
    z.object({
      id: z.string(),
      input: z.string(),
      stripTransactionText: z.boolean(),
      keepDelimiter: z.boolean(),
      batches: z.array(z.string()),
      sha1: z.string(),
    }),
  ),
  removeTransactionReferences: z.object({
    vectors: z.array(z.object({ id: z.string(), input: z.string(), output: z.string() })),
  }),
  isInComment: z.array(z.object({ input: z.string(), index: z.number(), inComment: z.boolean() })),
  textHash: z.object({ vectors: z.array(z.object({ text: z.string(), sha1: z.string() })) }),
  packageHash: z.object({
    vectors: z.array(z.object({ batchesPerScript: z.array(z.array(z.string())).optional(), packageHash: z.string() })),
  }),
  samplePackages: z.array(
    z.object({
      file: z.string(),
      sha256: z.string(),
      packageHash: z.string(),
      scripts: z.array(
        z.object({
          fileName: z.string(),
          buildOrder: z.number(),
          scriptId: z.string(),
          database: z.string(),
          strip: z.string(),
          textHash: z.string(),
          batches: z.number(),
          tag: z.string(),
          timeout: z.string(),
        }),
      ),
    }),
  ),
  tokenReplacement: z.array(
    z.object({
      script: z.string(),
      buildDescription: z.string().nullish(),
      result: z.string(),
      quirk: z.boolean().optional(),
    }),
  ),
  cfgParse: z.object({
    vectors: z.array(
      z.object({
        id: z.string(),
        lines: z.array(z.string()),
        targets: z.array(z.object({ serverName: z.string(), overrides: z.array(override) })),
        validateOverrides: z.boolean(),
        quirk: z.boolean().optional(),
      }),
    ),
  }),
  multiDbSamples: z.object({ json: z.object({ text: z.string() }) }),
  targetDatabase: z.array(
    z.object({
      scriptDatabase: z.string(),
      overrides: z.array(z.tuple([z.string(), z.string()])),
      target: z.string(),
    }),
  ),
});

const nothing: z.output<typeof schema> = {
  batchSplit: [],
  removeTransactionReferences: { vectors: [] },
  isInComment: [],
  textHash: { vectors: [] },
  packageHash: { vectors: [] },
  samplePackages: [],
  tokenReplacement: [],
  cfgParse: { vectors: [] },
  multiDbSamples: { json: { text: '[]' } },
  targetDatabase: [],
};

export const vectors = hasVectors ? schema.parse(JSON.parse(readFileSync(file, 'utf8'))) : nothing;

export function vectorFile(name: string): Buffer {
  return readFileSync(join(folder, name));
}
