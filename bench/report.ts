/** Plain text tables and verdicts, the same on a terminal and in a file. */

export interface Verdict {
  what: string;
  measured: string;
  budget: string;
  /** `unclear`: missed by less than equal things differ on this machine. Fails nothing. */
  holds: boolean | 'unclear';
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `  ${widths.map((width, column) => padded(cells[column] ?? '', width, column)).join('  ')}`.trimEnd();
  return [line(head), `  ${widths.map((width) => '-'.repeat(width)).join('  ')}`, ...rows.map(line)].join('\n');
}

/** Names to the left, numbers to the right. */
function padded(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  return table(
    ['what', 'measured', 'budget', ''],
    verdicts.map(({ what, measured, budget, holds }) => [what, measured, budget, verdictText(holds)]),
  );
}

function verdictText(holds: Verdict['holds']): string {
  if (holds === 'unclear') return 'within the noise';
  return holds ? 'holds' : 'DOES NOT HOLD';
}

/** Up to `digits` decimals, and none where they say nothing. */
export function rounded(value: number, digits = 2): string {
  return String(Number(value.toFixed(digits)));
}

export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
