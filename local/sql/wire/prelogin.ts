import { protocolError } from './bytes';

/** What a client says before the login ([MS-TDS] 2.2.6.5). */
export interface Prelogin {
  encryption: 'off' | 'on' | 'notSupported' | 'required';
  /** The client asks whether federated authentication is wanted. */
  federatedAuthentication: boolean;
}

const option = {
  version: 0,
  encryption: 1,
  instance: 2,
  thread: 3,
  mars: 4,
  federatedAuthentication: 6,
  end: 0xff,
} as const;
const encryptions = ['off', 'on', 'notSupported', 'required'] as const;

/** 12.0.2000.8, what Azure SQL Database answers. */
export const serverVersion = { major: 12, minor: 0, build: 2000, revision: 8 } as const;

export function readPrelogin(payload: Buffer): Prelogin {
  const found: Prelogin = { encryption: 'notSupported', federatedAuthentication: false };
  for (let offset = 0; ; offset += 5) {
    const token = payload[offset];
    if (token === option.end) return found;
    if (token === undefined || offset + 5 > payload.length) throw protocolError('PRELOGIN has no end');
    const start = payload.readUInt16BE(offset + 1);
    const length = payload.readUInt16BE(offset + 3);
    if (start + length > payload.length) throw protocolError('an option of PRELOGIN lies outside of it');
    const value = payload[start] ?? 0;
    if (length === 0) continue;
    if (token === option.encryption) {
      // The upper bits tell of client certificates, which nobody checks here.
      found.encryption = encryptions[value & 0x03] ?? 'notSupported';
    } else if (token === option.federatedAuthentication) {
      found.federatedAuthentication = value === 1;
    }
  }
}

/**
 * The answer: encryption for everything to whoever asks for it, and none to the others. (Encrypting the login packet
 * alone, which "off" may also mean, is not offered.) Never MARS.
 */
export function writePrelogin(client: Prelogin): Buffer {
  const version = Buffer.alloc(6);
  version.writeUInt8(serverVersion.major, 0);
  version.writeUInt8(serverVersion.minor, 1);
  version.writeUInt16BE(serverVersion.build, 2);
  version.writeUInt16BE(serverVersion.revision, 4);
  const encryption = wantsEncryption(client) ? encryptions.indexOf('on') : encryptions.indexOf('notSupported');
  const options: [number, Buffer][] = [
    [option.version, version],
    [option.encryption, Buffer.of(encryption)],
    [option.instance, Buffer.of(0)],
    [option.thread, Buffer.alloc(0)],
    [option.mars, Buffer.of(0)],
  ];
  if (client.federatedAuthentication) options.push([option.federatedAuthentication, Buffer.of(1)]);

  const index = Buffer.alloc(options.length * 5 + 1, option.end);
  let start = index.length;
  options.forEach(([token, value], position) => {
    index.writeUInt8(token, position * 5);
    index.writeUInt16BE(start, position * 5 + 1);
    index.writeUInt16BE(value.length, position * 5 + 3);
    start += value.length;
  });
  return Buffer.concat([index, ...options.map(([, value]) => value)]);
}

export function wantsEncryption(client: Prelogin): boolean {
  return client.encryption === 'on' || client.encryption === 'required';
}
