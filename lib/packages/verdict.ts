import { type InputProblem } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { type PackageLimits } from './limits';
import { type PackageReading } from './model';
import { readPackage } from './read';
import { readSubmitted, type SubmittedFiles } from './submitted';

/** The whole verdict on a package without building it: the answer of `POST /api/packages/validate`. */
export interface PackageVerdict {
  valid: boolean;
  /** Every reason why the package cannot be built. */
  problems: InputProblem[];
  /** Worth knowing, but no reason to refuse it. */
  warnings: InputProblem[];
  /** SHA-1 as the predecessor computes it, upper-case hex; null when not every script could be read. */
  packageHash: string | null;
  /** Of the bytes as submitted, lower-case hex. */
  sha256: string;
  /** In build order; those that could be read. */
  scripts: ScriptVerdict[];
}

export interface ScriptVerdict {
  fileName: string;
  order: number;
  /** SHA-1 as the predecessor computes it, upper-case hex. */
  hash: string;
  /** Of the script's bytes, lower-case hex. */
  sha256: string;
  /** How many batches the script is executed in, repeats not counted. */
  batches: number;
  database: string;
  tag: string;
  /** Null: the build's default applies. */
  timeoutSeconds: number | null;
}

/** @param name file name as submitted */
export async function validatePackage(bytes: Buffer, name: string, limits?: PackageLimits): Promise<PackageVerdict> {
  return verdictOf(await readPackage(bytes, { name, ...(limits && { limits }) }), bytes);
}

/** The same for whatever was uploaded, loose files included. */
export async function validateSubmitted(files: SubmittedFiles): Promise<PackageVerdict> {
  const reading = await readSubmitted(files);
  return verdictOf(reading, reading.bytes);
}

export function verdictOf(reading: PackageReading, bytes: Buffer): PackageVerdict {
  const packageHash = reading.package?.packageHash ?? '';
  return {
    valid: reading.valid,
    problems: reading.problems,
    warnings: reading.warnings,
    packageHash: packageHash === '' ? null : packageHash,
    sha256: sha256(bytes),
    scripts: (reading.package?.scripts ?? []).map((script) => ({
      fileName: script.fileName,
      order: script.order,
      hash: script.hash,
      sha256: script.sha256,
      batches: script.batches.length,
      database: script.database,
      tag: script.tag,
      timeoutSeconds: script.timeoutSeconds,
    })),
  };
}
