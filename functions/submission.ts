import { type HttpRequest } from '@azure/functions';
import { blobBuildRequestSchema } from '../lib/builds/schema';
import { type Submission } from '../lib/builds/submit';
import { AppError, messageOf } from '../lib/platform/errors';
import { jsonBody, parsed, refuseLargerThan, signedInActor } from '../lib/platform/http';

/** Larger packages are handed over as blobs, by name. */
const largestUploadBytes = 64 * 1024 * 1024;
const longestKey = 256;

/**
 * Reads what `POST /api/builds` was sent: a form with `package`, `targets` and `options`, or JSON that names blobs.
 *
 * @throws AppError `request.*` (400, 413, 415) when it cannot be taken apart; what is inside is checked later, as a whole.
 */
export async function readSubmission(
  request: HttpRequest,
  readBlob: (name: string) => Promise<Buffer | null>,
): Promise<Submission> {
  refuseLargerThan(request, largestUploadBytes);
  const common = { idempotencyKey: idempotencyKeyOf(request), signedInActor: signedInActor(request, process.env) };
  const mediaType = mediaTypeOf(request);
  if (mediaType === 'multipart/form-data') return { ...(await readForm(request)), ...common };
  if (mediaType === 'application/json') {
    const body = parsed(blobBuildRequestSchema, await jsonBody(request), 'body');
    const read = async (name: string): Promise<Buffer> => {
      const bytes = await readBlob(name);
      if (bytes !== null) return bytes;
      throw new AppError('request.blobMissing', `There is no blob "${name}" in the container "packages".`, {
        status: 422,
      });
    };
    const name = body.package.blob.slice(body.package.blob.lastIndexOf('/') + 1);
    return {
      packageFiles: [{ name, bytes: await read(body.package.blob) }],
      targets: await read(body.targets.blob),
      options: body.options,
      ...common,
    };
  }
  throw unsupportedMediaType('multipart/form-data or application/json');
}

/** The package of `POST /api/packages/validate`: the body itself, or the `package` parts of a form. */
export async function readPackageFiles(request: HttpRequest): Promise<Submission['packageFiles']> {
  refuseLargerThan(request, largestUploadBytes);
  if (mediaTypeOf(request) === 'multipart/form-data') return filesOf(await readFormData(request), 'package');
  const bytes = Buffer.from(await request.arrayBuffer());
  return [{ name: request.query.get('name') ?? 'package', bytes }];
}

async function readForm(request: HttpRequest): Promise<Pick<Submission, 'packageFiles' | 'targets' | 'options'>> {
  const form = await readFormData(request);
  const packageFiles = await filesOf(form, 'package');
  const [targets] = await filesOf(form, 'targets');
  const missing = [...(packageFiles.length === 0 ? ['package'] : []), ...(targets === undefined ? ['targets'] : [])];
  if (targets === undefined || missing.length > 0) {
    throw new AppError('request.partMissing', `The form has no ${missing.join(' and no ')}.`, {
      status: 422,
      details: {
        problems: missing.map((entry) => ({
          code: 'request.partMissing',
          message: 'this part is missing',
          entry,
          line: null,
        })),
      },
    });
  }
  const [options] = await filesOf(form, 'options');
  return { packageFiles, targets: targets.bytes, options: options === undefined ? {} : optionsOf(options.bytes) };
}

async function readFormData(request: HttpRequest) {
  try {
    return await request.formData();
  } catch (error) {
    throw new AppError('request.notAForm', `The body is no multipart form: ${messageOf(error)}`, {
      status: 400,
      cause: error,
    });
  }
}

/** Parts may come as files or as plain fields: `curl -F options='{...}'` sends a field. */
async function filesOf(
  form: Awaited<ReturnType<typeof readFormData>>,
  part: string,
): Promise<Submission['packageFiles']> {
  return Promise.all(
    form
      .getAll(part)
      .map(async (value) =>
        typeof value === 'string'
          ? { name: part, bytes: Buffer.from(value) }
          : { name: value.name, bytes: Buffer.from(await value.arrayBuffer()) },
      ),
  );
}

function optionsOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new AppError('request.notJson', `The part "options" is not JSON: ${messageOf(error)}`, {
      status: 400,
      cause: error,
    });
  }
}

function idempotencyKeyOf(request: HttpRequest): string | null {
  const key = request.headers.get('idempotency-key');
  if (key !== null && (key.trim() === '' || key.length > longestKey)) {
    throw new AppError('request.idempotencyKey', `Idempotency-Key must have 1 to ${longestKey} characters.`, {
      status: 400,
    });
  }
  return key;
}

function mediaTypeOf(request: HttpRequest): string {
  return (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

function unsupportedMediaType(expected: string): AppError {
  return new AppError('request.mediaType', `Send ${expected}.`, { status: 415 });
}
