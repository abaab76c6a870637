// Gathers the app as it is deployed in a folder of its own (default out/app): the compiled functions, host.json, and the packages that
// it needs as they are installed here. No embedded cloud, no tests, nothing that is only needed to develop.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = dirname(dirname(fileURLToPath(import.meta.url)));
const target = resolve(process.argv[2] ?? join(project, 'out', 'app'));

execFileSync(process.execPath, [join(project, 'scripts', 'build.mjs')], { cwd: project, stdio: 'inherit' });
rmSync(target, { recursive: true, force: true });
mkdirSync(join(target, 'dist'), { recursive: true });
cpSync(join(project, 'dist', 'functions'), join(target, 'dist', 'functions'), { recursive: true });
cpSync(join(project, 'host.json'), join(target, 'host.json'));

// Optional packages are the embedded PostgreSQL.
const listing = execFileSync('npm', ['ls', '--all', '--parseable', '--omit=dev', '--omit=optional'], {
  cwd: project,
  shell: process.platform === 'win32',
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
});
const folders = listing.split('\n').filter((path) => path.includes(`${sep}node_modules${sep}`));
const nested = `${sep}node_modules`;
for (const folder of folders) {
  // A package's own node_modules are listed themselves; source maps and declarations are for developers.
  cpSync(folder, join(target, relative(project, folder)), {
    recursive: true,
    dereference: true,
    filter: (path) => !path.slice(folder.length).startsWith(nested) && !/\.(map|d\.[cm]?ts)$/.test(path),
  });
}

const { name, version, engines, main, dependencies } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
const manifest = { name, version, private: true, engines, main, dependencies };
writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
// Nothing is to be built or installed again where it is deployed to.
writeFileSync(join(target, '.funcignore'), 'local.settings.json\n');
console.log(`${target}: ${folders.length} packages`);
