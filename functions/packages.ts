import { z } from 'zod';
import { validateSubmitted } from '../lib/packages/verdict';
import { AppError } from '../lib/platform/errors';
import { parsed, problem, queryOf, type Route } from '../lib/platform/http';
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

const validateQuery = z.strictObject({
  name: z.string().default('package').meta({ description: 'File name, when the package is the body.' }),
});

/** Looking at packages without building them. */
export const packageRoutes: Route[] = [
  {
    operationId: 'validatePackage',
    method: 'POST',
    path: 'packages/validate',
    summary: 'The whole verdict on a package, without building it.',
    query: validateQuery,
    body: {
      'application/octet-stream': z.file(),
      'multipart/form-data': z.object({
        package: z.file().meta({ description: 'One package, or several .sql files.' }),
      }),
    },
    responses: {
      200: { description: 'The verdict, also on a package that cannot be built.', body: verdictSchema },
      400: problem('The request cannot be taken apart.'),
      413: problem('Too large.'),
      415: problem('JSON, or an encoded body.'),
      422: problem('There is no package, or there are parts that nobody reads.'),
    },
    async handle(request) {
      const { name } = parsed(validateQuery, queryOf(request), 'query');
      const files = await readPackageFiles(request, name);
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
