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
  let lastPlainMs = -Infinity;
  return {
    show(build: BuildView): void {
      const line = progressLine(build, nowMs() - startedMs);
      if (output.isTerminal) {
        output.write(`\r\u001b[2K${line.slice(0, output.columns - 1)}`);
      } else if (nowMs() - lastPlainMs >= plainEveryMs) {
        lastPlainMs = nowMs();
        output.write(`${line}\n`);
      }
    },
    /** Leaves the last state standing. */
    finish(build: BuildView): void {
      const line = progressLine(build, nowMs() - startedMs);
      output.write(output.isTerminal ? `\r\u001b[2K${line}\n` : `${line}\n`);
    },
  };
}

/** One line of progress. `elapsedMs` is since the build was asked for. */
export function progressLine(build: BuildView, elapsedMs: number): string {
  const total = build.targets.count;
  const ended = Object.values(build.counts).reduce((sum, count) => sum + count, 0);
  const share = total === 0 ? 1 : ended / total;
  const filled = Math.round(share * barWidth);
  const bar = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`;
  const rate = elapsedMs === 0 ? 0 : (ended * 1_000) / elapsedMs;
  const left = rate === 0 ? '–' : `${Math.ceil((total - ended) / rate)} s`;
  const done = build.counts.committed + build.counts.alreadyApplied + build.counts.trialRolledBack;
  return (
    `  ${bar} ${String(ended).padStart(String(total).length)}/${total}` +
    `  done ${done}  failed ${build.failures}  in flight ${build.inFlight}  ${rate.toFixed(0)}/s  left ${left}`
  );
}
