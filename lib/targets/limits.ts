/** Every limit on what a target file may be. */
export interface TargetLimits {
  fileBytes: number;
  targets: number;
  lineCharacters: number;
  overridesPerTarget: number;
  /** DNS. */
  hostCharacters: number;
  /** SQL Server's sysname. */
  databaseCharacters: number;
  /** A lane's name is the tag plus a number and must fit into a Service Bus session id of 128 characters. */
  tagCharacters: number;
  /** How many problems one answer lists. */
  problems: number;
}

export const targetLimits: TargetLimits = {
  fileBytes: 32 * 1024 * 1024,
  targets: 200_000,
  lineCharacters: 32_768,
  overridesPerTarget: 100,
  hostCharacters: 253,
  databaseCharacters: 128,
  tagCharacters: 100,
  problems: 1_000,
};
