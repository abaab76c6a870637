import { type HttpRequest } from '@azure/functions';
import { z } from 'zod';
import { type Submission } from '../lib/builds/check-submission';
import { blobBuildRequestSchema, namedBlobSchema } from '../lib/builds/schema';
import { type LooseFile } from '../lib/packages/pack-folder';
import { AppError, type InputProblem, messageOf } from '../lib/platform/errors';
import { jsonBody, refuseLargerThan, signedInActor } from '../lib/platform/http';
import { checkInput } from '../lib/platform/schema-problems';

/** Larger packages are handed over as blobs, by name. */
const largestUploadBytes = 64 * 1024 * 1024;
const longestKey = 256;

/**
 * Reads what `POST /api/builds` was sent: a form with `package`, `targets` and `options`, or JSON that names blobs. What is
 * wrong with it goes into `requestProblems`, so that it is told together with what is wrong inside.
 *
 * @throws AppError `request.*` (400, 413, 415) when it cannot be taken apart at all
 */
export async function readSubmission(
  request: HttpRequest,
  readBlob: (name: string) => Promise<Buffer | null>,
): Promise<Submission> {
  refuseUnreadableBody(request);
  const mediaType = mediaTypeOf(request);
  const content =
    mediaType === 'multipart/form-data'
      ? await readForm(request)
      : mediaType === 'application/json'
        ? await readBlobs(await jsonBody(request), readBlob)
        : null;
  if (content === null) throw unsupportedMediaType('multipart/form-data or application/json');
  const key = request.headers.get('idempotency-key');
  return {
    ...content,
    requestProblems: [...content.requestProblems, ...keyProblems(key)],
    idempotencyKey: key,
    signedInActor: signedInActor(request, process.env),
  };
}

type Content = Required<Pick<Submission, 'packageFiles' | 'targets' | 'options' | 'requestProblems'>>;

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

/** The options are checked with everything else; here only what surrounds them. */
const blobRequestSchema = blobBuildRequestSchema.extend({ options: z.unknown().optional() });

async function readBlobs(body: unknown, readBlob: (name: string) => Promise<Buffer | null>): Promise<Content> {
  const request = checkInput(blobRequestSchema, body, 'request.invalid', 'body');
  const requestProblems = request.success ? [] : request.problems;
  const read = async (part: 'package' | 'targets'): Promise<LooseFile | null> => {
    const named = namedBlobSchema.safeParse(isRecord(body) ? body[part] : undefined);
    if (!named.success) return null;
    const { blob } = named.data;
    const bytes = await readBlob(blob);
    if (bytes !== null) return { name: blob.slice(blob.lastIndexOf('/') + 1), bytes };
    const message = `there is no blob "${blob}" in the container "packages"; upload it first`;
    requestProblems.push({ code: 'request.blobMissing', message, entry: `body.${part}.blob`, line: null });
    return null;
  };
  const [file, targets] = [await read('package'), await read('targets')];
  return {
    packageFiles: file === null ? [] : [file],
    targets: targets?.bytes ?? null,
    options: isRecord(body) ? body.options : undefined,
    requestProblems,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

export function refuseUnreadableBody(request: HttpRequest): void {
  refuseLargerThan(request, largestUploadBytes);
  const encoding = request.headers.get('content-encoding') ?? 'identity';
  if (encoding.trim().toLowerCase() !== 'identity') {
    const message = `A body in content encoding ${JSON.stringify(encoding)} is not read. Send it as it is.`;
    throw new AppError('request.contentEncoding', message, { status: 415 });
  }
}

async function readForm(request: HttpRequest): Promise<Content> {
  const form = await readFormData(request);
  const [targets] = await filesOf(form, 'targets');
  const [options] = await filesOf(form, 'options');
  const read = options === undefined ? { value: undefined } : jsonOf(options.bytes);
  return {
    packageFiles: await filesOf(form, 'package'),
    targets: targets?.bytes ?? null,
    options: 'problem' in read ? undefined : read.value,
    requestProblems: [...partProblems([...form.keys()]), ...('problem' in read ? [read.problem] : [])],
  };
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

function jsonOf(bytes: Buffer): { value: unknown } | { problem: InputProblem } {
  try {
    return { value: JSON.parse(bytes.toString('utf8')) };
  } catch (error) {
    const message = `is not JSON: ${messageOf(error)}`;
    return { problem: { code: 'request.notJson', message, entry: 'options', line: null } };
  }
}

/** @throws AppError `request.notJson` (400) */
export function optionsOf(bytes: Buffer): unknown {
  const read = jsonOf(bytes);
  if ('value' in read) return read.value;
  throw new AppError('request.notJson', `The part "options" ${read.problem.message}`, { status: 400 });
}

function keyProblems(key: string | null): InputProblem[] {
  if (key === null || (key.trim() !== '' && key.length <= longestKey)) return [];
  const message = `must have 1 to ${longestKey} characters`;
  return [{ code: 'request.idempotencyKey', message, entry: 'Idempotency-Key', line: null }];
}

/** @throws AppError `request.idempotencyKey` (400) */
export function idempotencyKeyOf(request: HttpRequest): string | null {
  const key = request.headers.get('idempotency-key');
  const [problem] = keyProblems(key);
  if (problem === undefined) return key;
  throw new AppError(problem.code, `Idempotency-Key ${problem.message}.`, { status: 400 });
}

export function mediaTypeOf(request: HttpRequest): string {
  return (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

export function unsupportedMediaType(expected: string): AppError {
  return new AppError('request.mediaType', `Send ${expected}.`, { status: 415 });
}
