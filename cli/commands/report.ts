import { type ErrorGroup } from '../../lib/builds/store';
import { type BuildView } from '../../lib/builds/view';
import { type InputProblem } from '../../lib/platform/errors';

/** How things are said to people at a terminal. Texts that come from elsewhere cannot move its cursor. */

export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ');
}

/** `place:line: message`, one line each. */
export function problemLines(problems: readonly InputProblem[]): string {
  return problems
    .map(({ entry, line, message }) => {
      const place = [entry, line].filter((part) => part !== null).join(':');
      return `  ${plain(place === '' ? message : `${place}: ${message}`)}\n`;
    })
    .join('');
}

export function buildLines(build: BuildView): string {
  const counts = Object.entries(build.counts)
    .filter(([, count]) => count > 0)
    .map(([status, count]) => `${status} ${count}`)
    .join(', ');
  const lines = [
    `${plain(build.name)} (${build.id}): ${build.state}`,
    `  targets ${build.targets.count}: ${counts === '' ? 'none has ended' : counts}`,
    ...(build.inFlight + build.waiting > 0 ? [`  in flight ${build.inFlight}, waiting ${build.waiting}`] : []),
    ...(build.waitingFor === null ? [] : [`  waits for ${plain(build.waitingFor)}`]),
    ...(build.failure === null ? [] : [`  ${plain(build.failure.message)}`]),
    ...(build.startedAt === null || build.finishedAt === null
      ? []
      : [`  took ${seconds(build.startedAt, build.finishedAt)} s`]),
  ];
  return `${lines.join('\n')}\n`;
}

function seconds(from: string, to: string): string {
  return ((Date.parse(to) - Date.parse(from)) / 1_000).toFixed(1);
}

/** Forty equal failures are one line. */
export function errorLines(errors: readonly ErrorGroup[]): string {
  return errors
    .map(({ number, code, script, targets, message }) => {
      const where = script === null ? '' : ` in ${script}`;
      return `  ${targets} × ${number === null ? code : `error ${number}`}${plain(where)}: ${plain(message)}\n`;
    })
    .join('');
}
