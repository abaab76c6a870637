/**
 * Values as T-SQL literals. The run protocol sends text batches (`execSqlBatch`), which take no parameters, so every value
 * that enters one goes through here and nowhere else.
 */

/**
 * `N'...'` with quotes doubled. A backslash directly before a line break is T-SQL's line continuation and would be
 * swallowed together with the break: the literal is taken apart there. The first part is converted to `nvarchar(max)`
 * because concatenating two short literals truncates at 4,000 characters.
 */
export function nvarchar(text: string): string {
  const parts = text.replaceAll("'", "''").split(/(?<=\\)(?=[\r\n])/);
  const [first = '', ...rest] = parts.map((part) => `N'${part}'`);
  return rest.length === 0 ? first : `CONVERT(nvarchar(max), ${first}) + ${rest.join(' + ')}`;
}

/**
 * The text as `varchar(length)`, cut by the server. Cutting it here would count characters where a UTF-8 collation counts
 * bytes, and the insert would fail with error 2628.
 */
export function varchar(text: string, length: number): string {
  return `CONVERT(varchar(${integer(length)}), ${nvarchar(text)})`;
}

/** The text as `nvarchar(length)`, cut by the server. */
export function nvarcharOfLength(text: string, length: number): string {
  return `CONVERT(nvarchar(${integer(length)}), ${nvarchar(text)})`;
}

const guidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** @throws RangeError when the text is no GUID in the 8-4-4-4-12 form. */
export function guid(text: string): string {
  if (!guidPattern.test(text)) throw new RangeError(`"${text}" is not a GUID.`);
  return `'${text.toLowerCase()}'`;
}

/** @throws RangeError when the number is not a safe integer. */
export function integer(value: number): string {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a whole number.`);
  return String(value);
}

/** A `bigint` as the driver hands it out, which is as text. @throws RangeError when it is something else. */
export function bigInteger(text: string): string {
  if (!/^-?\d{1,19}$/.test(text)) throw new RangeError(`"${text}" is not a bigint.`);
  return text;
}

/**
 * UTC time in the ISO form with `T`, the only one that `SET DATEFORMAT` and `SET LANGUAGE` do not touch.
 * @throws RangeError outside the years that `datetime` can hold (1753 to 9999).
 */
export function datetime(utcMs: number): string {
  const date = new Date(utcMs);
  const year = Number.isNaN(date.getTime()) ? 0 : date.getUTCFullYear();
  if (year < 1753 || year > 9999) throw new RangeError(`${utcMs} is not a time that datetime can hold.`);
  return `'${date.toISOString().slice(0, 23)}'`;
}

/** A bracketed name, `]` doubled. @throws RangeError for names that SQL Server cannot have (empty, or above 128). */
export function quoteName(name: string): string {
  if (name.length === 0 || name.length > 128) throw new RangeError(`"${name}" is not a name of 1 to 128 characters.`);
  return `[${name.replaceAll(']', ']]')}]`;
}
