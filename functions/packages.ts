import { z } from 'zod';
import { validateSubmitted } from '../lib/packages/verdict';
import { AppError } from '../lib/platform/errors';
import { problemSchema, type Route } from '../lib/platform/http';
import { registerRoutes } from './routes';
import { readPackageFiles } from './submission';

const placeSchema = z.object({
  code: z.string(),
  message: z.string(),
  entry: z.string().nullable(),
  line: z.int().nullable(),
});

const verdictSchema = z.object({
  valid: z.boolean(),
  problems: z.array(placeSchema).meta({ description: 'Every reason why the package cannot be built.' }),
  warnings: z.array(placeSchema).meta({ description: 'Worth knowing, but no reason to refuse it.' }),
  packageHash: z.string().nullable().meta({ description: 'SHA-1 as SQL Build Manager computes it.' }),
  sha256: z.string(),
  scripts: z.array(
    z.object({
      fileName: z.string(),
      order: z.number(),
      hash: z.string().meta({ description: 'SHA-1 of the text as SQL Build Manager computes it.' }),
      sha256: z.string(),
      batches: z.int(),
      database: z.string(),
      tag: z.string(),
      timeoutSeconds: z.int().nullable(),
    }),
  ),
});

/** Looking at packages without building them. */
export const packageRoutes: Route[] = [
  {
    operationId: 'validatePackage',
    method: 'POST',
    path: 'packages/validate',
    summary: 'The whole verdict on a package, without building it.',
    query: z.strictObject({
      name: z.string().optional().meta({ description: 'File name, when the package is the body.' }),
    }),
    body: {
      'application/octet-stream': z.file(),
      'multipart/form-data': z.object({
        package: z.file().meta({ description: 'One package, or several .sql files.' }),
      }),
    },
    responses: {
      200: { description: 'The verdict, also on a package that cannot be built.', body: verdictSchema },
      413: { description: 'Too large.', body: problemSchema, mediaType: 'application/problem+json' },
      422: { description: 'There is no package.', body: problemSchema, mediaType: 'application/problem+json' },
    },
    async handle(request) {
      const files = await readPackageFiles(request);
      if (files.length === 0) {
        throw new AppError('request.partMissing', 'Send the package as the body, or as the form part "package".', {
          status: 422,
        });
      }
      return { jsonBody: await validateSubmitted(files) };
    },
  },
];

export function registerPackages(): void {
  registerRoutes(packageRoutes);
}
