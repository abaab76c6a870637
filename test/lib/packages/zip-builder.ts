import { crc32, deflateRawSync } from 'node:zlib';

/** One entry of an archive under construction. Everything can be set wrong, which no ordinary writer allows. */
export interface EntrySpec {
  name: string | Buffer;
  content?: Buffer | string;
  stored?: boolean;
  /** Unix mode bits in the central directory, for example 0o120777 for a link. */
  mode?: number;
  flags?: number;
  method?: number;
  crc?: number;
  /** Sizes that both headers claim. */
  claimedSize?: number;
  claimedCompressedSize?: number;
  /** What the local header says instead. */
  localName?: string;
  localMethod?: number;
  localSize?: number;
  /** Points the central directory at an earlier entry's data. */
  offset?: number;
}

/** Builds a zip archive by hand. `claimedEntries` is what the end record says about their number. */
export function buildZip(specs: readonly EntrySpec[], claimedEntries = specs.length): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const spec of specs) {
    const content = Buffer.from(spec.content ?? '');
    const data = spec.stored === true ? content : deflateRawSync(content);
    const method = spec.method ?? (spec.stored === true ? 0 : 8);
    const name = Buffer.from(spec.name);
    const localName = Buffer.from(spec.localName ?? name);
    const flags = spec.flags ?? 0x800;
    const crc = spec.crc ?? crc32(content);
    const size = spec.claimedSize ?? content.length;
    const compressedSize = spec.claimedCompressedSize ?? data.length;

    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(20, 4);
    local.writeUInt16LE(flags, 6);
    local.writeUInt16LE(spec.localMethod ?? method, 8);
    local.writeUInt32LE(crc, 14);
    local.writeUInt32LE(compressedSize, 18);
    local.writeUInt32LE(spec.localSize ?? size, 22);
    local.writeUInt16LE(localName.length, 26);
    locals.push(local, localName, data);

    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(0x0314, 4);
    central.writeUInt16LE(20, 6);
    central.writeUInt16LE(flags, 8);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(crc, 16);
    central.writeUInt32LE(compressedSize, 20);
    central.writeUInt32LE(size, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(((spec.mode ?? 0o100644) * 0x10000) >>> 0, 38);
    central.writeUInt32LE(spec.offset ?? offset, 42);
    directory.push(central, name);
    offset += local.length + localName.length + data.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(claimedEntries & 0xffff, 8);
  end.writeUInt16LE(claimedEntries & 0xffff, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}

/** The same archive with the end record and the locator of zip64 before its end record. */
export function withZip64End(archive: Buffer): Buffer {
  const end = archive.length - 22;
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE(45, 12);
  record.writeUInt16LE(45, 14);
  record.writeBigUInt64LE(BigInt(archive.readUInt16LE(end + 8)), 24);
  record.writeBigUInt64LE(BigInt(archive.readUInt16LE(end + 10)), 32);
  record.writeBigUInt64LE(BigInt(archive.readUInt32LE(end + 12)), 40);
  record.writeBigUInt64LE(BigInt(archive.readUInt32LE(end + 16)), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(end), 8);
  locator.writeUInt32LE(1, 16);
  const endRecord = Buffer.from(archive.subarray(end));
  endRecord.writeUInt32LE(0xffffffff, 16);
  return Buffer.concat([archive.subarray(0, end), record, locator, endRecord]);
}

/** A project document around Script elements. */
export function projectXml(scripts: string, inside = ''): string {
  return `<?xml version="1.0" standalone="yes"?>
<SqlSyncBuildData xmlns="http://schemas.mckechney.com/SqlSyncBuildProject.xsd">
  <SqlSyncBuildProject ProjectName="" ScriptTagRequired="false">
    <Scripts>
${scripts}
    </Scripts>${inside}
  </SqlSyncBuildProject>
</SqlSyncBuildData>`;
}

/** A `.sbm` with these Script elements and these scripts. */
export function buildSbm(scripts: string, files: Record<string, string>): Buffer {
  return buildZip([
    ...Object.entries(files).map(([name, content]) => ({ name, content })),
    { name: 'SqlSyncBuildProject.xml', content: projectXml(scripts) },
  ]);
}
