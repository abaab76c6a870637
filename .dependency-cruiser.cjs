'use strict';

/** Arrows point one way: functions -> lib/<capability> -> lib/sql, lib/packages, lib/targets -> lib/platform. */
const capabilities = 'builds|capacity|clusters|workspaces|approvals|events';
const shared = 'sql|packages|targets';

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'product-never-imports-local',
      comment: 'The embedded cloud is a development dependency.',
      severity: 'error',
      from: { path: '^(functions|lib)/' },
      to: { path: '^(local|cli|bench|test)/' },
    },
    {
      name: 'lib-never-imports-functions',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^functions/' },
    },
    {
      name: 'capabilities-are-closed-to-each-other',
      severity: 'error',
      from: { path: `^lib/(${capabilities})/` },
      to: { path: `^lib/(${capabilities})/`, pathNot: '^lib/$1/' },
    },
    {
      name: 'shared-parts-know-no-capability',
      severity: 'error',
      from: { path: `^lib/(${shared})/` },
      to: { path: `^lib/(${capabilities})/` },
    },
    {
      name: 'platform-knows-no-feature',
      comment:
        'compose.ts and its parts, one per capability, are the composition root: they alone may know everything.',
      severity: 'error',
      from: { path: '^lib/platform/', pathNot: '^lib/platform/compose' },
      to: { path: `^lib/(${capabilities}|${shared})/` },
    },
    {
      name: 'decisions-do-no-io',
      comment: 'plan, model and lanes decide; they import no SDK and no Node built-in that touches the world.',
      severity: 'error',
      from: { path: '^lib/.*/(plan|model|lanes)\\.ts$' },
      to: { path: '^(fs|net|tls|http|https|dns|child_process|node_modules/(@azure|mssql|tedious))' },
    },
    {
      name: 'sdk-clients-stay-in-platform',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/(platform|sql)/' },
      to: {
        path: 'node_modules/(@azure/(service-bus|event-hubs|cosmos|storage-blob|keyvault-secrets|identity|arm-sql|arm-monitor|arm-resources|eventgrid)|tedious|ioredis|mssql)',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'tokens-and-keys-stay-with-clusters',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/(platform|clusters)/' },
      to: { path: 'node_modules/jose' },
    },
    {
      name: 'no-dev-dependencies-in-the-product',
      severity: 'error',
      from: { path: '^(functions|lib)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
  },
};
