const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

/** Every limit on what a package may be. Generous for people, tight for archives that are built to hurt. */
export interface PackageLimits {
  /** The archive as submitted. */
  packageBytes: number;
  entries: number;
  /** One entry, uncompressed. */
  entryBytes: number;
  /** All entries together, uncompressed. */
  totalBytes: number;
  /** Uncompressed to compressed size, looked at only for entries above `ratioFloorBytes`: small texts compress well. */
  compressionRatio: number;
  ratioFloorBytes: number;
  /** Full entry name with folders. `SqlBuild_Logging.ScriptFileName` holds 300. */
  nameCharacters: number;
  folderDepth: number;
  projectXmlBytes: number;
  /** One XML tag with all its attributes: stops attribute floods. */
  xmlTagCharacters: number;
  xmlDepth: number;
  xmlElements: number;
  batchesPerScript: number;
  /** The largest count that `GO n` may ask for. */
  goRepeat: number;
  /** SQL Server's sysname. */
  databaseCharacters: number;
  /** How many problems one answer lists. */
  problems: number;
}

export const packageLimits: PackageLimits = {
  packageBytes: 32 * mebibyte,
  entries: 5_000,
  entryBytes: 16 * mebibyte,
  totalBytes: 64 * mebibyte,
  compressionRatio: 200,
  ratioFloorBytes: 4 * mebibyte,
  nameCharacters: 260,
  folderDepth: 16,
  projectXmlBytes: 8 * mebibyte,
  xmlTagCharacters: 64 * kibibyte,
  xmlDepth: 16,
  xmlElements: 100_000,
  batchesPerScript: 20_000,
  goRepeat: 10_000,
  databaseCharacters: 128,
  problems: 1_000,
};
