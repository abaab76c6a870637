import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { type RecordedHistory, recordedHistory } from '../../local/durable/recorded-history';
import { type Recording } from './recorder';

const root = join(__dirname, 'histories');
/** Stacks of failed activities name it; a recording belongs to no machine. */
const projectFolder = `${resolve(__dirname, '..', '..')}${sep}`;

export interface CorpusEntry {
  /** `<version>/<scenario>.<generation>`. */
  name: string;
  history: RecordedHistory;
}

/** Every history that was ever recorded and is still to be understood. */
export function readCorpus(): CorpusEntry[] {
  return readdirSync(root)
    .sort()
    .flatMap((version) =>
      readdirSync(join(root, version))
        .sort()
        .map((file) => ({
          name: `${version}/${file.replace(/\.json$/, '')}`,
          history: recordedHistory.parse(JSON.parse(readFileSync(join(root, version, file), 'utf8'))),
        })),
    );
}

/** Adds a recording under a new version. What is recorded stays: running instances have gone that way. */
export function writeRecording(version: string, { scenario, histories }: Recording): void {
  const folder = join(root, version);
  mkdirSync(folder, { recursive: true });
  for (const [index, history] of histories.entries()) {
    const file = join(folder, `${scenario}.${index + 1}.json`);
    if (existsSync(file)) throw new Error(`${file} is there already: record under another version`);
    writeFileSync(file, `${JSON.stringify(history, null, 2).replaceAll(projectFolder, '')}\n`);
  }
}
