import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../../local/storage/journal';

const newPath = (): string => join(mkdtempSync(join(tmpdir(), 'journal-')), 'folder', 'state.jsonl');

function readBack(path: string): unknown[] {
  const records: unknown[] = [];
  openJournal(path, (record) => records.push(record)).close();
  return records;
}

describe('a journal', () => {
  it('gives back what was appended, in order', () => {
    const path = newPath();
    const journal = openJournal(path, () => undefined);
    journal.append({ a: 1 }, { b: 'ü\n' });
    journal.append({ c: [true] });
    journal.close();
    expect(readBack(path)).toEqual([{ a: 1 }, { b: 'ü\n' }, { c: [true] }]);
  });

  it('has a record on disk when append returns, without being closed', () => {
    const path = newPath();
    openJournal(path, () => undefined).append({ kept: true });
    expect(readFileSync(path, 'utf8')).toBe('{"kept":true}\n');
  });

  it('cuts off a torn last line and goes on after it', () => {
    const path = newPath();
    openJournal(path, () => undefined).append({ a: 1 });
    appendFileSync(path, '{"b":');
    const journal = openJournal(path, () => undefined);
    journal.append({ c: 3 });
    expect(readBack(path)).toEqual([{ a: 1 }, { c: 3 }]);
  });

  it('refuses a damaged file instead of guessing', () => {
    const path = newPath();
    openJournal(path, () => undefined).append({ a: 1 });
    writeFileSync(path, 'not json\n{"a":1}\n');
    expect(() => readBack(path)).toThrow('damaged at line 1');
  });

  it('holds only the live records after compaction, and goes on', () => {
    const path = newPath();
    const journal = openJournal(path, () => undefined);
    for (let i = 0; i < 100; i += 1) journal.append({ i });
    journal.compact([{ live: 1 }]);
    expect(journal.bytesAppended).toBe(0);
    journal.append({ after: 2 });
    expect(readBack(path)).toEqual([{ live: 1 }, { after: 2 }]);
  });
});
