// Compiles the TypeScript entry points to CommonJS under dist/. Packages stay external: Node loads them as installed.
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';

const entryPoints = {
  'functions/index': 'functions/index.ts',
  'local/start': 'local/start.ts',
  'local/cloud-process': 'local/cloud-process.ts',
  'cli/demo': 'cli/demo.ts',
  'cli/demo-capacity': 'cli/demo-capacity.ts',
  'cli/demo-events': 'cli/demo-events.ts',
  'cli/sqlfleet': 'cli/sqlfleet.ts',
  'cli/demo-clusters': 'cli/demo-clusters.ts',
  'cli/demo-workspaces': 'cli/demo-workspaces.ts',
  'cli/openapi': 'cli/openapi.ts',
  'bench/main': 'bench/main.ts',
  'bench/database-runs-client': 'bench/database-runs/client-process.ts',
  'bench/database-runs-server': 'bench/database-runs/server-process.ts',
  'bench/simulation': 'bench/simulation/process.ts',
};

await build({
  entryPoints,
  absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  packages: 'external',
  sourcemap: true,
  logLevel: 'warning',
});
// Its service would live as long as this process, and the entry points are run in it.
await stop();
