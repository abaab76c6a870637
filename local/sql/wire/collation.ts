import { protocolError } from './bytes';

/**
 * SQL_Latin1_General_CP1_CI_AS, the default collation of Azure SQL: LCID 0x0409, case, kana and width ignored, sort id 52.
 */
export const defaultCollation = Buffer.from([0x09, 0x04, 0xd0, 0x00, 0x34]);

const utf8Flag = 0x04; // in the fourth byte

/** What code page 1252 has where Latin-1 has control characters. (TextDecoder gets these wrong in some versions of Node.) */
const from0x80 = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';
const codeOfCharacter = new Map(Array.from(from0x80, (character, index) => [character, 0x80 + index]));
const beyondLatin1 = /[^\u0000-\u007f\u00a0-\u00ff]/;

/** Code page 1252; what it does not have becomes '?', as SQL Server does it. */
export function encodeVarchar(text: string): Buffer {
  if (!beyondLatin1.test(text)) return Buffer.from(text, 'latin1');
  return Buffer.from(
    Array.from(text, (character) => {
      const code = character.codePointAt(0) ?? 0;
      if (code < 0x80 || (code >= 0xa0 && code <= 0xff)) return code;
      return codeOfCharacter.get(character) ?? 0x3f;
    }),
  );
}

export function decodeVarchar(bytes: Buffer, collation: Buffer): string {
  return ((collation[3] ?? 0) & utf8Flag) === 0 ? decode1252(bytes) : bytes.toString('utf8');
}

function decode1252(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[\u0080-\u009f]/g, (control) => from0x80[control.charCodeAt(0) - 0x80] ?? '');
}

/** Clients use the collation that the server told them; anything else would be decoded into the wrong characters. */
export function checkCollation(collation: Buffer): Buffer {
  const isOurs = collation[0] === defaultCollation[0] && collation[1] === defaultCollation[1];
  const isUnset = collation.every((byte) => byte === 0);
  const isUtf8 = ((collation[3] ?? 0) & utf8Flag) !== 0;
  if (!isOurs && !isUnset && !isUtf8)
    throw protocolError(`collation ${collation.toString('hex')} is not one that this server offers`);
  return collation;
}
