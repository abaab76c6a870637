import { type SqlType, type SqlValue } from '../session';

/** A value as PostgreSQL writes it, null for NULL. This is what variables hold. */
export type Text = string | null;

/** PostgreSQL's text of a value as the wire wants it. */
export function toSqlValue(text: Text, type: SqlType): SqlValue {
  if (text === null) return null;
  switch (type.name) {
    case 'bit':
      return text !== '0';
    case 'tinyint':
    case 'smallint':
    case 'int':
    case 'real':
    case 'float':
      return Number(text);
    case 'bigint':
      return BigInt(text);
    case 'binary':
    case 'varbinary':
    case 'image':
      return Buffer.from(text.slice(2), 'hex');
    case 'uniqueidentifier':
      return text.toUpperCase();
    case 'datetimeoffset':
      return offsetText(text);
    default:
      return text;
  }
}

/** `("2024-01-31 10:00:00",60)`: the moment in UTC and the minutes to add. */
function offsetText(text: string): string {
  const match = /^\("?([^",]+)"?,(-?\d+)\)$/.exec(text);
  const [, utc = '', offset = '0'] = match ?? [];
  const minutes = Number(offset);
  const [date = '', time = ''] = utc.split(' ');
  const [clock = '', fraction] = time.split('.');
  const local = new Date(Date.parse(`${date}T${clock}Z`) + minutes * 60_000).toISOString();
  const sign = minutes < 0 ? '-' : '+';
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const zone = `${sign}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
  return `${local.slice(0, 10)} ${local.slice(11, 19)}${fraction === undefined ? '' : `.${fraction}`} ${zone}`;
}

/** A value from the wire as PostgreSQL reads it. */
export function fromSqlValue(value: SqlValue, type: SqlType): Text {
  if (value === null) return null;
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`;
  if (typeof value !== 'string') return String(value);
  if (type.name === 'datetimeoffset') {
    const match = /^(.*) ([+-])(\d{2}):(\d{2})$/.exec(value);
    if (match === null) return `("${value}",0)`;
    const [, local = '', sign, hours, minutes] = match;
    const offset = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
    const [clock = '', fraction] = local.split('.');
    const utc = new Date(Date.parse(`${clock.replace(' ', 'T')}Z`) - offset * 60_000).toISOString();
    return `("${utc.slice(0, 10)} ${utc.slice(11, 19)}${fraction === undefined ? '' : `.${fraction.slice(0, 6)}`}",${offset})`;
  }
  return 'scale' in type && type.name !== 'decimal' && type.name !== 'numeric'
    ? value.replace(/(\.\d{6})\d+/, '$1')
    : value;
}
