/** The type tokens of TDS 7.3 and later ([MS-TDS] 2.2.5.4). */
export const typeCode = {
  null: 0x1f,
  image: 0x22,
  text: 0x23,
  uniqueidentifier: 0x24,
  intN: 0x26,
  date: 0x28,
  time: 0x29,
  datetime2: 0x2a,
  datetimeoffset: 0x2b,
  tinyint: 0x30,
  bit: 0x32,
  smallint: 0x34,
  int: 0x38,
  smalldatetime: 0x3a,
  real: 0x3b,
  money: 0x3c,
  datetime: 0x3d,
  float: 0x3e,
  variant: 0x62,
  ntext: 0x63,
  bitN: 0x68,
  decimal: 0x6a,
  numeric: 0x6c,
  floatN: 0x6d,
  moneyN: 0x6e,
  datetimeN: 0x6f,
  smallmoney: 0x7a,
  bigint: 0x7f,
  varbinary: 0xa5,
  varchar: 0xa7,
  binary: 0xad,
  char: 0xaf,
  nvarchar: 0xe7,
  nchar: 0xef,
  userDefined: 0xf0,
  xml: 0xf1,
  table: 0xf3,
  json: 0xf4,
} as const;

/** Length of a (max) type in its TYPE_INFO. */
export const maxLengthMark = 0xffff;
/** A value of a short-length type that is NULL. */
export const shortNull = 0xffff;
/** Total length of a PLP value that is NULL, and of one whose length is not told. */
export const plpNull = 0xffffffffffffffffn;
export const plpUnknownLength = 0xfffffffffffffffen;

/** Bytes after the length byte of a decimal: one for the sign, and the magnitude. */
export function decimalLength(precision: number): number {
  if (precision <= 9) return 5;
  if (precision <= 19) return 9;
  return precision <= 28 ? 13 : 17;
}

/** Bytes of a time's count of 10^-scale seconds. */
export function timeLength(scale: number): number {
  if (scale <= 2) return 3;
  return scale <= 4 ? 4 : 5;
}
