import { type InputProblem } from '../platform/errors';

/** Where the scripts of a package came from. It decides the defaults: a `.sbm` says run-once per script, a folder is run-once. */
export type PackageKind = 'sbm' | 'folder';

/** One script of a package, complete: every attribute has its effective value. */
export interface Script {
  /** Lower-case GUID. From the `.sbm`; for a folder derived from the package-relative path, so that it is the same every time. */
  scriptId: string;
  /** Entry name without any folder part (`.sbm`) or package-relative path with `/` (folder). */
  fileName: string;
  /** `BuildOrder`, ascending; ties keep document order. Scripts without one get numbers behind the last. A folder counts from 0. */
  order: number;
  description: string;
  rollBackOnError: boolean;
  causesBuildFailure: boolean;
  /** Logical database that the script is written for; '' means the target's first. */
  database: string;
  stripTransactionText: boolean;
  allowMultipleRuns: boolean;
  /** null: the build's default script timeout applies. */
  timeoutSeconds: number | null;
  tag: string;
  addedBy: string;
  modifiedBy: string;
  dateAdded: string;
  dateModified: string;
  /** Decoded text, without byte order mark, before token replacement and without any stripping. */
  text: string;
  /** What is executed, in order, with default-mode batch splitting (`GO n` repeats are expanded through `repeat`). */
  batches: ScriptBatch[];
  /** SHA-1 of the text as the predecessor computes it (compatible mode), upper-case hex. */
  hash: string;
  /** SHA-256 of the raw bytes of the script, lower-case hex: our own identity. */
  sha256: string;
}

export interface ScriptBatch {
  text: string;
  /** 1-based line in the script's text on which this batch begins; added to the server's error line. */
  line: number;
  /** `GO n`: how often the batch is executed; 1 for a plain GO. */
  repeat: number;
}

/** A package that was read, checked and found valid. Immutable; shared by all targets of a build. */
export interface Package {
  kind: PackageKind;
  name: string;
  scripts: readonly Script[];
  /** The predecessor's package hash (SHA-1, upper-case hex); '' when a script is missing, because then there is none. */
  packageHash: string;
  /** SHA-256 over the bytes that were submitted, lower-case hex; for loose files over a list of their paths and hashes. */
  sha256: string;
}

/** The whole answer about a package: either it can be built, or every reason why not. */
export type PackageReading = (
  | { valid: true; package: Package; problems: [] }
  /** `package` holds what could be read in spite of the problems, null when nothing could. */
  | { valid: false; package: Package | null; problems: InputProblem[] }
) & {
  /** Worth knowing before a build, but no reason to refuse it. */
  warnings: InputProblem[];
};
