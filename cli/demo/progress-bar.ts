import { type BuildView } from '../../lib/builds/view';

/** Where lines go: a terminal that can redraw its last line, or a file or pipe that only grows. */
export interface Output {
  write(text: string): void;
  isTerminal: boolean;
  columns: number;
}

const barWidth = 32;
/** A log that only grows gets a line this often; a terminal is redrawn at every look. */
const plainEveryMs = 1_000;

/** Live progress of one build: a bar, committed, failed, in flight, rate and time left. */
export function createProgressBar(output: Output, nowMs: () => number) {
  const startedMs = nowMs();
  /** A retry begins with most targets ended already; they do not count for its rate. */
  let endedBefore: number | undefined;
  const lineOf = (build: BuildView): string => {
    endedBefore ??= endedTargets(build);
    return progressLine(build, nowMs() - startedMs, endedBefore);
  };
  let lastPlainMs = -Infinity;
  return {
    show(build: BuildView): void {
      const line = lineOf(build);
      if (output.isTerminal) {
        output.write(`\r\u001b[2K${line.slice(0, output.columns - 1)}`);
      } else if (nowMs() - lastPlainMs >= plainEveryMs) {
        lastPlainMs = nowMs();
        output.write(`${line}\n`);
      }
    },
    /** Leaves the last state standing. */
    finish(build: BuildView): void {
      const line = lineOf(build);
      output.write(output.isTerminal ? `\r\u001b[2K${line}\n` : `${line}\n`);
    },
  };
}

/** Targets that have an outcome. */
function endedTargets(build: BuildView): number {
  return Object.values(build.counts).reduce((sum, count) => sum + count, 0);
}

/** One line of progress. `elapsedMs` is since somebody began to watch, when `endedBefore` targets had ended. */
export function progressLine(build: BuildView, elapsedMs: number, endedBefore = 0): string {
  const total = build.targets.count;
  const ended = endedTargets(build);
  const share = total === 0 ? 1 : ended / total;
  const filled = Math.round(share * barWidth);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`;
  const rate = elapsedMs === 0 ? 0 : ((ended - endedBefore) * 1_000) / elapsedMs;
  const left = rate <= 0 ? '–' : `${Math.ceil((total - ended) / rate)} s`;
  const { committed, alreadyApplied, trialRolledBack } = build.counts;
  const others = [
    ...(alreadyApplied > 0 ? [`already applied ${alreadyApplied}`] : []),
    ...(trialRolledBack > 0 ? [`tried ${trialRolledBack}`] : []),
  ];
  const done = [`committed ${committed}`, ...others].join('  ');
  return (
    `  ${bar} ${String(ended).padStart(String(total).length)}/${total}` +
    `  ${done}  failed ${build.failures}  in flight ${build.inFlight}  ${rate.toFixed(0)}/s  left ${left}`
  );
}
