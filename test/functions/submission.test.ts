import { HttpRequest } from '@azure/functions';
import { readPackageFiles, readSubmission } from '../../functions/submission';

const boundary = 'test-boundary';

interface Part {
  name: string;
  fileName?: string;
  text: string;
}

function formRequest(parts: readonly Part[], headers: Record<string, string> = {}): HttpRequest {
  const body = parts
    .map(({ name, fileName, text }) => {
      const file = fileName === undefined ? '' : `; filename="${fileName}"\r\nContent-Type: application/octet-stream`;
      return `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${text}\r\n`;
    })
    .join('');
  return request(`${body}--${boundary}--\r\n`, {
    'content-type': `multipart/form-data; boundary=${boundary}`,
    ...headers,
  });
}

function request(body: string, headers: Record<string, string>): HttpRequest {
  return new HttpRequest({
    method: 'POST',
    url: 'http://localhost/api/builds',
    body: { bytes: Buffer.from(body) },
    headers,
  });
}

const noBlobs = async (): Promise<Buffer | null> => null;
const script: Part = { name: 'package', fileName: 'a.sql', text: 'SELECT 1' };
const targets: Part = { name: 'targets', fileName: 'fleet.cfg', text: 'server:database' };

describe('a submission', () => {
  it('is a form with a package of one file or several, targets and options, as files or as fields', async () => {
    const second = { ...script, fileName: 'b.sql' };
    const options = { name: 'options', text: '{"trial":true}' };
    const submission = await readSubmission(formRequest([script, second, targets, options]), noBlobs);
    expect(submission.packageFiles.map(({ name }) => name)).toEqual(['a.sql', 'b.sql']);
    expect(submission.targets?.toString()).toBe('server:database');
    expect(submission.options).toEqual({ trial: true });
  });

  it.each([
    { said: 'a part that nobody reads', extra: { name: 'option', text: '{"trial":true}' }, entry: 'option' },
    { said: 'a second list of targets', extra: targets, entry: 'targets' },
  ])('tells of $said, because the build would do something else than its author meant', async ({ extra, entry }) => {
    const { requestProblems } = await readSubmission(formRequest([script, targets, extra]), noBlobs);
    expect(requestProblems).toEqual([expect.objectContaining({ entry })]);
  });

  it('tells of a second part of options', async () => {
    const options = ['{}', '{"trial":true}'].map((text) => ({ name: 'options', text }));
    const { requestProblems } = await readSubmission(formRequest([script, targets, ...options]), noBlobs);
    expect(requestProblems).toEqual([expect.objectContaining({ code: 'request.partRepeated', entry: 'options' })]);
  });

  it('names everything that is wrong around package, targets and options at once, and what is there all the same', async () => {
    const parts = [{ name: 'pakage', text: 'x' }, targets, { name: 'options', text: '{oops' }];
    const key = { 'idempotency-key': 'x'.repeat(300) };
    const submission = await readSubmission(formRequest(parts, key), noBlobs);
    expect(submission.requestProblems?.map(({ entry }) => entry)).toEqual([
      'package',
      'pakage',
      'options',
      'Idempotency-Key',
    ]);
    expect(submission.targets?.toString()).toBe('server:database');
  });

  it('is not unpacked: a compressed body is refused and says so', async () => {
    const compressed = { 'content-encoding': 'gzip' };
    await expect(readSubmission(formRequest([script, targets], compressed), noBlobs)).rejects.toMatchObject({
      status: 415,
    });
    await expect(readPackageFiles(request('x', compressed), 'a.sql')).rejects.toMatchObject({ status: 415 });
  });

  it.each(['release 42/my package (final)+1.sbm', 'Übergabe #3 100%?.sbm'])(
    'may name a blob as people name files: %s',
    async (blob) => {
      const asked: string[] = [];
      const body = JSON.stringify({ package: { blob }, targets: { blob: 'fleet.cfg' } });
      const readBlob = async (name: string): Promise<Buffer> => {
        asked.push(name);
        return Buffer.from('x');
      };
      const submission = await readSubmission(request(body, { 'content-type': 'application/json' }), readBlob);
      expect(asked).toEqual([blob, 'fleet.cfg']);
      expect(submission.packageFiles[0]?.name).toBe(blob.split('/').at(-1));
    },
  );

  it.each(['../x', 'a/../b', 'a/./b', '..', 'a\\b', '/a', 'a//b', 'a/', '', 'a\u0000', 'x'.repeat(1_025)])(
    'may not name a blob %j',
    async (blob) => {
      const body = JSON.stringify({ package: { blob }, targets: { blob: 'fleet.cfg' } });
      const { requestProblems } = await readSubmission(request(body, { 'content-type': 'application/json' }), noBlobs);
      expect(requestProblems).toContainEqual(expect.objectContaining({ entry: 'body.package.blob' }));
    },
  );

  it('names every blob that is not there, with whatever else is wrong', async () => {
    const body = JSON.stringify({ package: { blob: 'a.sbm' }, targets: { blob: 'fleet.cfg' }, option: {} });
    const { requestProblems } = await readSubmission(request(body, { 'content-type': 'application/json' }), noBlobs);
    expect(requestProblems?.map(({ entry }) => entry)).toEqual([
      'body.option',
      'body.package.blob',
      'body.targets.blob',
    ]);
  });

  it.each(['[]', '"x"', 'null', '{"package":"a.sbm"}'])('is not the JSON %s', async (body) => {
    const submission = await readSubmission(request(body, { 'content-type': 'application/json' }), noBlobs);
    expect(submission.requestProblems).not.toEqual([]);
    expect(submission).toMatchObject({ packageFiles: [], targets: null });
  });
});

describe('a package to look at', () => {
  it('is the body, whatever it is called, or the parts of a form', async () => {
    const body = request('SELECT 1', { 'content-type': 'application/x-www-form-urlencoded' });
    expect(await readPackageFiles(body, 'a.sql')).toEqual([{ name: 'a.sql', bytes: Buffer.from('SELECT 1') }]);
    const second = { ...script, fileName: 'b.sql' };
    expect((await readPackageFiles(formRequest([script, second]), 'package')).map(({ name }) => name)).toEqual([
      'a.sql',
      'b.sql',
    ]);
  });

  it('is no JSON, and comes without parts that nobody reads', async () => {
    const json = request('{}', { 'content-type': 'application/json' });
    await expect(readPackageFiles(json, 'package')).rejects.toMatchObject({ status: 415 });
    await expect(readPackageFiles(formRequest([script, targets]), 'package')).rejects.toMatchObject({
      status: 422,
      details: { problems: [{ entry: 'targets' }] },
    });
  });
});
