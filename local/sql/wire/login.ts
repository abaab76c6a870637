import { type ByteReader, createByteReader, protocolError } from './bytes';

/** LOGIN7 ([MS-TDS] 2.2.6.4), as far as a server needs it. */
export interface Login {
  tdsVersion: number;
  packetSize: number;
  user: string;
  password: string;
  database: string;
  applicationName: string;
  hostName: string;
  /** The server as the client addressed it. */
  serverName: string;
  /** Windows authentication was asked for. */
  integrated: boolean;
  changesPassword: boolean;
  federated: FederatedLogin | null;
  /** The client understands UTF-8 collations, and asks to have that confirmed. */
  utf8: boolean;
}

/** `securityToken`: the token is in the login. `fetch`: the client asks where to get one, and sends it in a message. */
export type FederatedLogin = { kind: 'securityToken'; token: string } | { kind: 'fetch' };

/** TDS 7.3 revision B; older ones lack the date types and rows with a null bitmap. */
export const oldestTdsVersion = 0x730b0003;
/** TDS 8.0 states its version in the other byte order than the 7.x line. */
export const tdsVersion8 = 0x08000000;

const fixedLength = 94;
const feature = { federatedAuthentication: 0x02, utf8: 0x0a, end: 0xff } as const;
const federatedLibrary = { securityToken: 0x01, adal: 0x02 } as const;

export function readLogin(payload: Buffer): Login {
  const reader = createByteReader(payload);
  if (reader.uint32() > payload.length || payload.length < fixedLength) throw protocolError('LOGIN7 is cut off');
  const tdsVersion = reader.uint32();
  const packetSize = reader.uint32();
  reader.seek(25);
  const optionFlags2 = reader.uint8();
  reader.seek(27);
  const optionFlags3 = reader.uint8();

  /** The value that the offset and length pair at `position` points to. */
  const field = (position: number, bytesPerUnit = 2): Buffer => {
    reader.seek(position);
    const offset = reader.uint16();
    const length = reader.uint16() * bytesPerUnit;
    if (length === 0) return Buffer.alloc(0);
    reader.seek(offset);
    return reader.bytes(length);
  };
  const text = (position: number): string => field(position).toString('utf16le');
  const login: Login = {
    tdsVersion,
    packetSize,
    hostName: text(36),
    user: text(40),
    password: unscramble(field(44)),
    applicationName: text(48),
    serverName: text(52),
    database: text(68),
    integrated: (optionFlags2 & 0x80) !== 0,
    changesPassword: (optionFlags3 & 0x01) !== 0,
    federated: null,
    utf8: false,
  };
  const hasExtension = (optionFlags3 & 0x10) !== 0;
  if (hasExtension) {
    const pointer = field(56, 1);
    if (pointer.length !== 4) throw protocolError('LOGIN7 has no pointer to its feature extension');
    reader.seek(pointer.readUInt32LE(0));
    readFeatures(reader, login);
  }
  return login;
}

/** Each byte of a password has its halves swapped and every other bit flipped: no secret, only not plain to see. */
function unscramble(scrambled: Buffer): string {
  return Buffer.from(
    scrambled.map((byte) => {
      const plain = byte ^ 0xa5;
      return ((plain << 4) & 0xf0) | (plain >> 4);
    }),
  ).toString('utf16le');
}

function readFeatures(reader: ByteReader, login: Login): void {
  for (let id = reader.uint8(); id !== feature.end; id = reader.uint8()) {
    const data = createByteReader(reader.bytes(reader.uint32()));
    if (id === feature.federatedAuthentication) login.federated = readFederated(data);
    else if (id === feature.utf8) login.utf8 = data.remaining > 0 && data.uint8() === 1;
  }
}

function readFederated(data: ByteReader): FederatedLogin {
  const library = data.uint8() >> 1;
  if (library === federatedLibrary.adal) return { kind: 'fetch' };
  if (library !== federatedLibrary.securityToken) throw protocolError(`federated login library ${library} is unknown`);
  return { kind: 'securityToken', token: data.bytes(data.uint32()).toString('utf16le') };
}

/** The message with which a client follows up on `fetch`. */
export function readFederatedToken(payload: Buffer): string {
  const reader = createByteReader(payload);
  reader.uint32(); // length of everything that follows
  return reader.bytes(reader.uint32()).toString('utf16le');
}
