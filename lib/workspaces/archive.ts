import { readArchive } from '../packages/archive';
import { packageLimits } from '../packages/limits';
import { type InputProblem } from '../platform/errors';
import { createProblemList } from '../platform/problems';
import { type Assets, readAssets, withoutWrapper } from './assets';
import { checkSpecs } from './check-specs';
import { orderJobs } from './job-order';

/** Unpacks an asset archive with the same suspicion as a package of scripts: path -> content. */
export async function readAssetFiles(bytes: Buffer) {
  const problems = createProblemList(packageLimits.problems, 'workspaces.more');
  const files = withoutWrapper(await readArchive(bytes, packageLimits, problems));
  return { files, problems };
}

/** Reads an asset archive, and reports everything that is wrong with it at once. */
export async function readAssetArchive(bytes: Buffer): Promise<{ assets: Assets; problems: InputProblem[] }> {
  const { files, problems } = await readAssetFiles(bytes);
  const assets = readAssets(files, problems);
  checkSpecs(assets, problems);
  return { assets: { ...assets, jobs: orderJobs(assets.jobs).ordered }, problems: problems.list() };
}
