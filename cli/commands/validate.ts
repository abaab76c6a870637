import { readSubmitted } from '../../lib/packages/submitted';
import { type PackageVerdict, verdictOf } from '../../lib/packages/verdict';
import { type InputProblem } from '../../lib/platform/errors';
import { parseTargets } from '../../lib/targets/parse';
import { checkResolution } from '../../lib/targets/resolve';
import { readArguments } from './arguments';
import { type Command, exitCodes, refuseAny } from './command';
import { readFileOf, readPackageOf } from './package-files';
import { plain, problemLines } from './report';

/** `sqlfleet validate`: the verdict of `POST /api/packages/validate`, given here. No app and no key are needed. */
export const validateCommand: Command = {
  summary: 'the verdict on a package, and on targets, without building',
  usage: `sqlfleet validate <package|folder> [targets.cfg] [--json]

Every problem that would refuse the build, with file and line, and warnings for what is likely to surprise. Nothing is
sent anywhere. Exit code 1 when there are problems.
`,
  async run(args, context) {
    const given = readArguments(args, { positionals: ['package', 'targets?'] });
    const package_ = await readPackageOf(given.positional(0), context.folder, given.problems);
    const targetsFile = await readFileOf(given.positional(1), context.folder, given.problems);
    refuseAny(given.problems);
    if (package_ === null) throw new Error('a package was neither read nor refused');

    const reading = await readSubmitted([package_]);
    const verdict = verdictOf(reading, reading.bytes);
    const targets = targetsFile === null ? null : parseTargets(targetsFile.bytes);
    const databases = reading.package?.scripts.map(({ database }) => database) ?? [];
    const targetProblems =
      targets === null ? [] : [...targets.problems, ...checkResolution(databases, targets.targets)];
    const problems = [...placed(verdict.problems, package_.name), ...placed(targetProblems, targetsFile?.name ?? '')];
    const valid = problems.length === 0;
    if (given.flag('json')) {
      const count = targets === null ? null : targets.targets.length;
      context.output.write(`${JSON.stringify({ ...verdict, valid, problems, targets: count })}\n`);
    } else {
      context.output.write(verdictLines(verdict, problems, targets?.targets.length ?? null));
    }
    return valid ? exitCodes.allRight : exitCodes.failures;
  },
};

function placed(problems: readonly InputProblem[], file: string): InputProblem[] {
  return problems.map((problem) => ({ ...problem, entry: problem.entry ?? file }));
}

function verdictLines(verdict: PackageVerdict, problems: readonly InputProblem[], targets: number | null): string {
  const scripts = verdict.scripts.map(({ fileName, batches, database, hash }) => {
    const where = database === '' ? '' : `  for ${database}`;
    return `  ${plain(fileName)}  ${batches} ${batches === 1 ? 'batch' : 'batches'}  ${hash}${plain(where)}\n`;
  });
  const warnings = verdict.warnings.map((warning) => ({ ...warning, message: `warning: ${warning.message}` }));
  return [
    ...scripts,
    ...(verdict.packageHash === null ? [] : [`  package  ${verdict.packageHash}\n`]),
    ...(targets === null ? [] : [`  targets  ${targets}\n`]),
    problemLines(warnings),
    problemLines(problems),
    problems.length === 0 ? 'It can be built.\n' : `It cannot be built: ${problems.length} problems.\n`,
  ].join('');
}
