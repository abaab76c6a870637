import { type Assets } from './assets';
import { isObject, type JsonObject, mapFields } from './json';

export interface PlacesDeps {
  assets: Pick<Assets, 'notebooks' | 'initScripts'>;
  /** Folder of the workspace below which the archive's files are. */
  root: string;
  report: (message: string) => void;
  warn: (message: string) => void;
}

/** Puts places of the workspace where settings name notebooks and init scripts by their path in the archive. */
export function withPlaces(settings: JsonObject, deps: PlacesDeps): JsonObject {
  const { assets, root, report } = deps;
  const notebook = (path: string, task: JsonObject): string => {
    const isOfGit = task.source === 'GIT' || (task.source === undefined && settings.git_source !== undefined);
    if (path.startsWith('/') || isOfGit) return path;
    const wanted = path.replace(/^\.\//, '');
    const found = assets.notebooks.find((each) => each.target === wanted || each.path === wanted);
    if (found === undefined) report(`The archive has no notebook "${path}".`);
    return found === undefined ? path : `${root}/${found.target}`;
  };
  return mapFields(settings, (field, value, owner) => {
    if (field === 'notebook_path' && typeof value === 'string') return notebook(value, owner);
    if (field === 'init_scripts' && Array.isArray(value)) return value.map((entry: unknown) => initScript(entry, deps));
    return undefined;
  });
}

function initScript(entry: unknown, { assets, root, report, warn }: PlacesDeps): unknown {
  if (!isObject(entry)) return entry;
  const [kind, place] = Object.entries(entry)[0] ?? [];
  const destination = isObject(place) ? place.destination : undefined;
  if (typeof destination !== 'string') return entry;
  const path = destination.replace(/^dbfs:\/+/, '').replace(/^\.\//, '');
  const found = assets.initScripts.find((script) => script.path === path);
  if (found !== undefined) return { workspace: { destination: `${root}/${found.target}` } };
  if (kind === 'workspace' && !destination.startsWith('/')) {
    report(`The archive has no init script "${destination}".`);
  } else if (kind === 'dbfs') {
    warn(`Databricks runs init scripts on DBFS no more ("${destination}"); put it into init-scripts/.`);
  }
  return entry;
}
