/**
 * The partition that a partition key belongs to, as Event Hubs computes it: Bob Jenkins' lookup3 (hashlittle2, public
 * domain) over the UTF-8 bytes, both halves folded to a signed 16-bit number, modulo the number of partitions.
 */
export function partitionForKey(partitionKey: string, partitionCount: number): number {
  const { b, c } = lookup3(Buffer.from(partitionKey, 'utf8'));
  const folded = ((b ^ c) << 16) >> 16;
  return Math.abs(folded % partitionCount);
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

function lookup3(bytes: Buffer): { b: number; c: number } {
  let a = (0xdeadbeef + bytes.length) | 0;
  let b = a;
  let c = a;
  const addBlock = (block: Buffer, at: number): void => {
    a = (a + block.readUInt32LE(at)) | 0;
    b = (b + block.readUInt32LE(at + 4)) | 0;
    c = (c + block.readUInt32LE(at + 8)) | 0;
  };

  let at = 0;
  for (; bytes.length - at > 12; at += 12) {
    addBlock(bytes, at);
    a = (a - c) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (at === bytes.length) return { b, c };

  const rest = Buffer.alloc(12);
  bytes.copy(rest, 0, at);
  addBlock(rest, 0);
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return { b, c };
}
