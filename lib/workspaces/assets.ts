import { isUtf8 } from 'node:buffer';
import { sha256 } from '../platform/hash';
import { type ProblemList } from '../platform/problems';
import { type JsonObject, parseJsonAsset } from './json';
import { comparableJupyter } from './notebooks';
import { asMultiTask, withoutServerFields } from './normalise';

export interface FileAsset {
  /** In the archive. */
  path: string;
  /** Below the root of the workspace: of a notebook without its ending, which Databricks does not keep. */
  target: string;
  /** Null: a plain file, or a Jupyter notebook, which says it itself. */
  language: string | null;
  format: 'SOURCE' | 'JUPYTER' | 'RAW';
  bytes: Buffer;
  sha256: string;
}

export interface SpecAsset {
  path: string;
  name: string;
  spec: JsonObject;
}

/** What an archive holds, taken apart. */
export interface Assets {
  initScripts: FileAsset[];
  clusters: SpecAsset[];
  notebooks: FileAsset[];
  jobs: SpecAsset[];
}

const folders = ['init-scripts', 'clusters', 'notebooks', 'jobs'] as const;
type Folder = (typeof folders)[number];

const notebookLanguages: Record<string, Pick<FileAsset, 'language' | 'format'>> = {
  py: { language: 'PYTHON', format: 'SOURCE' },
  sql: { language: 'SQL', format: 'SOURCE' },
  scala: { language: 'SCALA', format: 'SOURCE' },
  r: { language: 'R', format: 'SOURCE' },
  // Its language is inside.
  ipynb: { language: null, format: 'JUPYTER' },
};
/** The service takes no more in one import. */
const largestFileBytes = 10 * 1024 * 1024;

/** Sorts the files of an archive into assets and reports everything that is wrong with them. */
export function readAssets(files: ReadonlyMap<string, Buffer>, problems: ProblemList): Assets {
  const assets: Assets = { initScripts: [], clusters: [], notebooks: [], jobs: [] };
  for (const [path, bytes] of files) {
    const [first = '', ...rest] = path.split('/');
    const folder = folders.find((name) => name === first);
    if (folder === undefined || rest.length === 0) {
      problems.add('workspaces.asset.folder', `An asset is in one of the folders ${folders.join(', ')}.`, path);
    } else {
      readAsset(assets, folder, path, rest.join('/'), bytes, problems);
    }
  }
  reportDuplicates(assets.clusters, ({ name }) => name, 'cluster name', problems);
  reportDuplicates(assets.jobs, ({ name }) => name, 'job name', problems);
  reportDuplicates([...assets.notebooks, ...assets.initScripts], ({ target }) => target, 'place', problems);
  reportFilesAsFolders([...assets.notebooks, ...assets.initScripts], problems);
  if (files.size === 0 && problems.count === 0) {
    problems.add('workspaces.archive.empty', 'The archive holds no assets.');
  }
  return assets;
}

function readAsset(
  assets: Assets,
  folder: Folder,
  path: string,
  rest: string,
  bytes: Buffer,
  problems: ProblemList,
): void {
  if (folder === 'clusters' || folder === 'jobs') {
    if (rest.includes('/') || !/\.json$/i.test(rest)) {
      problems.add('workspaces.asset.type', `The folder ${folder} holds .json files, and no folders.`, path);
      return;
    }
    const spec = parseJsonAsset(bytes, path, problems);
    if (spec === null) return;
    if (folder === 'clusters')
      assets.clusters.push(...readSpec(path, withoutServerFields('cluster', spec), 'cluster_name', problems));
    else
      assets.jobs.push(...readSpec(path, asMultiTask(withoutServerFields('job', unwrapped(spec))), 'name', problems));
    return;
  }
  if (bytes.length > largestFileBytes) {
    problems.add(
      'workspaces.asset.tooLarge',
      `The file has ${bytes.length} bytes; ${largestFileBytes} are allowed.`,
      path,
    );
    return;
  }
  const file = { path, bytes, sha256: sha256(bytes) };
  if (folder === 'init-scripts') {
    assets.initScripts.push({ ...file, target: path, language: null, format: 'RAW' });
    return;
  }
  const [, stem = '', ending = ''] = /^(.*[^/])\.([A-Za-z]+)$/.exec(path) ?? [];
  const kind = notebookLanguages[ending.toLowerCase()];
  if (kind === undefined) {
    const endings = Object.keys(notebookLanguages).join(', .');
    problems.add('workspaces.asset.type', `A notebook has a name that ends in .${endings}.`, path);
  } else if (!isUtf8(bytes)) {
    problems.add('workspaces.asset.notText', 'A notebook is a text in UTF-8.', path);
  } else if (kind.format === 'JUPYTER' && comparableJupyter(bytes) === null) {
    problems.add('workspaces.asset.notJupyter', 'It is not a Jupyter notebook: JSON with cells.', path);
  } else {
    assets.notebooks.push({ ...file, target: stem, ...kind });
  }
}

function readSpec(path: string, spec: JsonObject, nameField: string, problems: ProblemList): SpecAsset[] {
  const name = spec[nameField];
  if (typeof name !== 'string' || name.trim() === '' || name.length > 1_000) {
    problems.add('workspaces.asset.name', `"${nameField}" is missing: assets are found again by their name.`, path);
    return [];
  }
  return [{ path, name, spec }];
}

/** A job as the service exports it keeps what matters in `settings`. */
function unwrapped(spec: JsonObject): JsonObject {
  const { settings } = spec;
  return typeof settings === 'object' && settings !== null && !Array.isArray(settings) ? { ...settings } : spec;
}

/** Archivers of desktop systems put everything into one folder more. */
export function withoutWrapper(files: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
  const firsts = new Set([...files.keys()].map((path) => path.split('/')[0] ?? ''));
  const [only = ''] = firsts;
  if (firsts.size !== 1 || folders.some((name) => name === only)) return files;
  const inner = [...files].map(([path, bytes]) => [path.slice(only.length + 1), bytes] as const);
  return inner.every(([path]) => folders.some((name) => path.startsWith(`${name}/`))) ? new Map(inner) : files;
}

/** `a.py` becomes the notebook `a`, and `a/b.py` needs a folder of that name. */
function reportFilesAsFolders(files: readonly FileAsset[], problems: ProblemList): void {
  const byTarget = new Map(files.map(({ target, path }) => [target.toLowerCase(), path]));
  for (const { target, path } of files) {
    const segments = target.toLowerCase().split('/');
    const above = segments.slice(1).map((_, at) => segments.slice(0, at + 1).join('/'));
    for (const file of above.flatMap((folder) => byTarget.get(folder) ?? [])) {
      problems.add('workspaces.asset.duplicate', `Its folder has the same place as ${file}.`, path);
    }
  }
}

function reportDuplicates<T extends { path: string }>(
  assets: readonly T[],
  keyOf: (asset: T) => string,
  what: string,
  problems: ProblemList,
): void {
  const seen = new Map<string, string>();
  for (const asset of assets) {
    const key = keyOf(asset).toLowerCase();
    const earlier = seen.get(key);
    if (earlier === undefined) seen.set(key, asset.path);
    else problems.add('workspaces.asset.duplicate', `It has the same ${what} as ${earlier}.`, asset.path);
  }
}
