import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readSubmitted } from '../../lib/packages/submitted';
import { writePackage } from '../../lib/packages/write';
import { AppError, messageOf } from '../../lib/platform/errors';
import { readArguments } from './arguments';
import { type Command, exitCodes, refuseAny, usageCode, usageProblem } from './command';
import { readPackageOf } from './package-files';

/** `sqlfleet pack`: a folder of scripts as a `.sbm`, for SQL Build Manager, or to keep. */
export const packCommand: Command = {
  summary: 'write a folder of scripts as a .sbm',
  usage: `sqlfleet pack <package|folder> <file.sbm> [--json]

SQL Build Manager can read what it writes. The same scripts give the same bytes every time. An existing file is not
replaced.
`,
  async run(args, context) {
    const given = readArguments(args, { positionals: ['package', 'file'] });
    const package_ = await readPackageOf(given.positional(0), context.folder, given.problems);
    const file = given.positional(1) ?? '';
    if (file !== '' && !/\.sbm$/i.test(file)) given.problems.push(usageProblem(file, 'must end in .sbm'));
    refuseAny(given.problems);
    if (package_ === null) throw new Error('a package was neither read nor refused');

    const { valid, package: read, problems } = await readSubmitted([package_]);
    if (!valid) throw new AppError(usageCode, 'The package has problems:', { status: 422, details: { problems } });
    const bytes = await writePackage(read);
    try {
      await writeFile(resolve(context.folder, file), bytes, { flag: 'wx' });
    } catch (error) {
      refuseAny([usageProblem(file, messageOf(error))]);
    }
    const { packageHash } = read;
    const answer = { file, bytes: bytes.length, scripts: read.scripts.length, packageHash };
    const words = `${file}: ${answer.scripts} scripts, ${answer.bytes} bytes, package hash ${packageHash}\n`;
    context.output.write(given.flag('json') ? `${JSON.stringify(answer)}\n` : words);
    return exitCodes.allRight;
  },
};
