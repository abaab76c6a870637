import { sqlError } from '../errors';

/** RAISERROR's and FORMATMESSAGE's placeholders: %d %i %u %s %x %o with flags, width and precision, as printf has them. */
export interface FormatArgument {
  value: string | null;
  /** null: the literal NULL, which fits every placeholder. */
  numeric: boolean | null;
}

/** @throws SqlError 2786 where an argument's type does not fit its placeholder. */
export function formatMessage(format: string, args: readonly FormatArgument[]): string {
  let index = 0;
  return format.replace(
    /%([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d+))?(?:h|l|I64)?([disuoxX%])/g,
    (whole, flags: string, width: string | undefined, precision: string | undefined, type: string) => {
      if (type === '%') return '%';
      const take = (): string | null | undefined => args[index++]?.value;
      const wide = width === '*' ? Number(take() ?? 0) : Number(width ?? 0);
      const exact = precision === '*' ? Number(take() ?? 0) : precision === undefined ? undefined : Number(precision);
      if (index >= args.length) return whole === '%s' || whole === '%d' ? '(null)' : whole;
      const { numeric = null } = args[index] ?? {};
      const arg = take();
      if (numeric !== null && numeric !== (type !== 's')) throw sqlError(2786, [index], { raised: true });
      if (arg === null || arg === undefined) return '(null)';
      return pad(textOf(arg, type, flags, exact), wide, flags);
    },
  );
}

function textOf(arg: string, type: string, flags: string, precision: number | undefined): string {
  if (type === 's') return precision === undefined ? arg : arg.slice(0, precision);
  const number = Number(arg);
  const unsigned = number < 0 ? number + 2 ** 32 : number;
  switch (type) {
    case 'x':
      return (flags.includes('#') ? '0x' : '') + unsigned.toString(16);
    case 'X':
      return (flags.includes('#') ? '0X' : '') + unsigned.toString(16).toUpperCase();
    case 'o':
      return unsigned.toString(8);
    case 'u':
      return String(unsigned);
    default:
      return (flags.includes('+') && number >= 0 ? '+' : '') + String(number);
  }
}

function pad(text: string, width: number, flags: string): string {
  if (flags.includes('-')) return text.padEnd(width);
  if (!flags.includes('0') || !/^[+-]?\d/.test(text)) return text.padStart(width);
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + text.slice(sign.length).padStart(width - sign.length, '0');
}
