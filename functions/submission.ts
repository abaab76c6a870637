import { type HttpRequest } from '@azure/functions';
import { type z } from 'zod';
import { blobBuildRequestSchema } from '../lib/builds/schema';
import { type Submission } from '../lib/builds/submit';
import { AppError, type InputProblem, messageOf } from '../lib/platform/errors';
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
  refuseUnreadableBody(request);
  const common = { idempotencyKey: idempotencyKeyOf(request), signedInActor: signedInActor(request, process.env) };
  const mediaType = mediaTypeOf(request);
  if (mediaType === 'multipart/form-data') return { ...(await readForm(request)), ...common };
  if (mediaType === 'application/json') {
    const body = parsed(blobBuildRequestSchema, await jsonBody(request), 'body');
    const [packageBytes, targets] = await Promise.all([readBlob(body.package.blob), readBlob(body.targets.blob)]);
    if (packageBytes === null || targets === null) throw blobsMissing(body, { package: packageBytes, targets });
    const name = body.package.blob.slice(body.package.blob.lastIndexOf('/') + 1);
    return { packageFiles: [{ name, bytes: packageBytes }], targets, options: body.options, ...common };
  }
  throw unsupportedMediaType('multipart/form-data or application/json');
}

/** The package of `POST /api/packages/validate`: the body itself, or the `package` parts of a form. Empty: there is none. */
export async function readPackageFiles(request: HttpRequest, name: string): Promise<Submission['packageFiles']> {
  refuseUnreadableBody(request);
  if (mediaTypeOf(request) === 'multipart/form-data') {
    const form = await readFormData(request);
    refuseParts(unknownParts([...form.keys()], ['package']));
    return filesOf(form, 'package');
  }
  // Whatever curl and browsers call a file is taken for one. JSON never is: whoever sends it means `POST /api/builds`.
  if (mediaTypeOf(request) === 'application/json') throw unsupportedMediaType('the package itself, or a form');
  const bytes = Buffer.from(await request.arrayBuffer());
  return bytes.length === 0 ? [] : [{ name, bytes }];
}

type BlobRequest = z.infer<typeof blobBuildRequestSchema>;

function blobsMissing(request: BlobRequest, found: Record<'package' | 'targets', Buffer | null>): AppError {
  const missing = (['package', 'targets'] as const).filter((part) => found[part] === null);
  const problems = missing.map((part): InputProblem => {
    const message = `there is no blob "${request[part].blob}" in the container "packages"; upload it first`;
    return { code: 'request.blobMissing', message, entry: `body.${part}.blob`, line: null };
  });
  const what = problems.map(({ message }) => message).join('; ');
  return new AppError('request.blobMissing', `The build was not started: ${what}.`, {
    status: 422,
    details: { problems },
  });
}

export function refuseUnreadableBody(request: HttpRequest): void {
  refuseLargerThan(request, largestUploadBytes);
  const encoding = request.headers.get('content-encoding') ?? 'identity';
  if (encoding.trim().toLowerCase() !== 'identity') {
    const message = `A body in content encoding ${JSON.stringify(encoding)} is not read. Send it as it is.`;
    throw new AppError('request.contentEncoding', message, { status: 415 });
  }
}

async function readForm(request: HttpRequest): Promise<Pick<Submission, 'packageFiles' | 'targets' | 'options'>> {
  const form = await readFormData(request);
  refuseParts(partProblems([...form.keys()]));
  const [targets] = await filesOf(form, 'targets');
  if (targets === undefined)
    throw new AppError('request.partMissing', 'The form has no part "targets".', { status: 422 });
  const packageFiles = await filesOf(form, 'package');
  const [options] = await filesOf(form, 'options');
  return { packageFiles, targets: targets.bytes, options: options === undefined ? {} : optionsOf(options.bytes) };
}

/** Parts beyond the known ones are refused: with a misspelt `options` a trial would not be one. */
function partProblems(names: readonly string[]): InputProblem[] {
  const count = (name: string): number => names.filter((each) => each === name).length;
  const missing = ['package', 'targets'].filter((name) => count(name) === 0);
  const repeated = ['targets', 'options'].filter((name) => count(name) > 1);
  return [
    ...missing.map(partProblem('request.partMissing', 'this part is missing')),
    ...repeated.map(partProblem('request.partRepeated', 'this part may come only once')),
    ...unknownParts(names, ['package', 'targets', 'options']),
  ];
}

function unknownParts(names: readonly string[], known: readonly string[]): InputProblem[] {
  const unknown = [...new Set(names)].filter((name) => !known.includes(name));
  return unknown.map(partProblem('request.partUnknown', `there is no such part; known are: ${known.join(', ')}`));
}

function partProblem(code: string, message: string) {
  return (entry: string): InputProblem => ({ code, message, entry, line: null });
}

function refuseParts(problems: readonly InputProblem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  const what = problems.map(({ entry, message }) => `${entry}: ${message}`).join('; ');
  throw new AppError(first.code, `The form is not as expected: ${what}.`, { status: 422, details: { problems } });
}

export async function readFormData(request: HttpRequest) {
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
export async function filesOf(
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

export function optionsOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new AppError('request.notJson', `The part "options" is not JSON: ${messageOf(error)}`, {
      status: 400,
      cause: error,
    });
  }
}

export function idempotencyKeyOf(request: HttpRequest): string | null {
  const key = request.headers.get('idempotency-key');
  if (key !== null && (key.trim() === '' || key.length > longestKey)) {
    throw new AppError('request.idempotencyKey', `Idempotency-Key must have 1 to ${longestKey} characters.`, {
      status: 400,
    });
  }
  return key;
}

export function mediaTypeOf(request: HttpRequest): string {
  return (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

export function unsupportedMediaType(expected: string): AppError {
  return new AppError('request.mediaType', `Send ${expected}.`, { status: 415 });
}
