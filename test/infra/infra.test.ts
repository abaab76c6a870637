import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import topology from '../../infra/topology.json';
import alerts from '../../infra/alerts.json';
import workbook from '../../infra/workbook.json';
import { metricLines } from '../../lib/capacity/metrics';
import { serverName, severities } from '../../lib/capacity/model';
import { readSettings } from '../../lib/platform/settings';
import { type BicepFile, readBicep, unbalanced } from './bicep';

/** The compiler of Bicep cannot be had here. These tests see what can be seen without it: that files and names fit together. */
const folder = join(__dirname, '..', '..', 'infra');
const paths = ['.', 'modules'].flatMap((below) =>
  readdirSync(join(folder, below))
    .filter((file) => file.endsWith('.bicep'))
    .map((file) => join(folder, below, file)),
);
const files = new Map<string, BicepFile>(paths.map((path) => [path, readBicep(path)]));
const fileNamed = (name: string): BicepFile => {
  const file = files.get(join(folder, name));
  if (file === undefined) throw new Error(`there is no ${name}`);
  return file;
};
const textOf = (path: string): string => readFileSync(join(__dirname, '..', '..', path), 'utf8');

describe.each([...files.values()].map((file) => [file.path.slice(folder.length + 1), file] as const))(
  '%s',
  (_, file) => {
    it('closes what it opens', () => {
      expect(unbalanced(file)).toBeNull();
    });

    it('reads only files that exist, and only JSON', () => {
      for (const path of file.jsonFiles) {
        expect(existsSync(path)).toBe(true);
        JSON.parse(readFileSync(path, 'utf8'));
      }
    });

    it('gives each module the parameters that it has, and all that it needs', () => {
      for (const { path, parameters } of file.modules) {
        const module = files.get(path);
        expect(module?.path).toBe(path);
        const names = module?.parameters.map(({ name }) => name) ?? [];
        expect(names).toEqual(expect.arrayContaining(parameters));
        const required = module?.parameters.filter((each) => each.required).map(({ name }) => name) ?? [];
        expect(parameters).toEqual(expect.arrayContaining(required));
      }
    });

    it('uses outputs that its modules have', () => {
      for (const [, name, output] of file.code.matchAll(/\b(\w+)\.outputs\.(\w+)/g)) {
        const module = file.modules.find((each) => each.name === name);
        expect(files.get(module?.path ?? '')?.outputs).toContain(output);
      }
    });

    it('uses every parameter and variable that it declares, and says the version of every resource', () => {
      for (const name of [...file.parameters.map((each) => each.name), ...file.variables]) {
        expect([...file.code.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length).toBeGreaterThan(1);
      }
      for (const { type } of file.resources)
        expect(type).toMatch(/^Microsoft\.[\w.]+(\/\w+)+@\d{4}-\d{2}-\d{2}(-preview)?$|^\w+$/);
    });
  },
);

it('asks azd for parameters that the main template has', () => {
  const { parameters } = z
    .object({ parameters: z.record(z.string(), z.unknown()) })
    .parse(JSON.parse(textOf('infra/main.parameters.json')));
  const main = fileNamed('main.bicep').parameters;
  expect(main.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(parameters)));
  const required = main.filter((each) => each.required).map(({ name }) => name);
  expect(Object.keys(parameters)).toEqual(expect.arrayContaining(required));
});

it('gives hooks of azd what the main template outputs', () => {
  const outputs = fileNamed('main.bicep').outputs;
  const used = [...textOf('azure.yaml').matchAll(/"\$(\w+)"/g)].map(([, name]) => name);
  expect(used.length).toBeGreaterThan(0);
  expect(outputs).toEqual(expect.arrayContaining(used));
});

it('creates every entity of the topology', () => {
  expect(fileNamed('modules/cosmos.bicep').code).toContain('for container in topology.cosmos.containers');
  expect(fileNamed('modules/storage.bicep').code).toContain('for container in topology.blobs.containers');
  const messaging = fileNamed('modules/messaging.bicep').code;
  for (const loop of [
    'for topic in topics',
    'for entry in subscriptions',
    'for hub in hubs',
    'for entry in consumerGroups',
  ]) {
    expect(messaging).toContain(loop);
  }
  // A property that nobody here knows would be silently left out of the deployment.
  const known = ['name', 'partitionKey', 'compositeIndexes', 'defaultTtlSeconds'];
  for (const container of topology.cosmos.containers)
    expect(known).toEqual(expect.arrayContaining(Object.keys(container)));
  expect(Object.keys(topology)).toEqual(['cosmos', 'serviceBus', 'eventHubs', 'blobs', 'eventGrid']);
});

it('gives the app settings that it accepts', () => {
  const { code } = fileNamed('modules/function-app.bicep');
  const names = [...code.matchAll(/^ {2}(SQLFLEET_\w+):/gm)].map(([, name = '']) => name);
  const guid = '11111111-1111-1111-1111-111111111111';
  const value = (name: string): string => {
    if (/ENDPOINT|URL|serviceUri/.test(name)) return 'https://example.com/';
    if (/SUBSCRIPTION|TENANT|_ID$/.test(name)) return guid;
    if (name === 'SQLFLEET_SQL_AUTHENTICATION') return 'entra';
    return 'westeurope';
  };
  expect(names).toContain('SQLFLEET_SERVICE_BUS__fullyQualifiedNamespace');
  expect(() => readSettings(Object.fromEntries(names.map((name) => [name, value(name)])))).not.toThrow();
});

it('lets every instance read what another one wrote last', () => {
  const { code } = fileNamed('modules/cosmos.bicep');
  expect(code).toContain("defaultConsistencyLevel: 'Strong'");
  // With one region to write to there is Strong; with several there is not.
  expect(code.match(/locationName:/g)).toHaveLength(1);
  expect(code).not.toContain('enableMultipleWriteLocations');
});

it('lets admins of clusters and a Redis be named', () => {
  const { code } = fileNamed('modules/function-app.bicep');
  expect(code).toContain('SQLFLEET_CLUSTER_ADMINS: clusterAdmins');
  expect(code).toContain('REDIS_URL: redisUrl');
  const empty = { SQLFLEET_CLUSTER_ADMINS: '', REDIS_URL: '' };
  const needed = { SQLFLEET_SERVICE_BUS: 'x', SQLFLEET_EVENT_HUBS: 'x', SQLFLEET_BLOBS: 'x' };
  const settings = readSettings({ ...needed, SQLFLEET_COSMOS_ENDPOINT: 'https://example.com', ...empty });
  expect([settings.SQLFLEET_CLUSTER_ADMINS, settings.REDIS_URL]).toEqual([[], undefined]);
});

it('samples settings that the app accepts, among them those of workers and events', () => {
  const { Values } = z
    .object({ Values: z.record(z.string(), z.string()) })
    .parse(JSON.parse(textOf('local.settings.sample.json')));
  expect(() => readSettings(Values)).not.toThrow();
  expect(Object.keys(Values)).toEqual(
    expect.arrayContaining([
      'SQLFLEET_WORKER_SERVICE_BUS',
      'REDIS_URL',
      'SQLFLEET_EVENTS_TOPICS',
      'SQLFLEET_EVENTS_KEYS',
    ]),
  );
});

it('sends events to a function that there is', () => {
  const name = /param functionName string = '(\w+)'/.exec(fileNamed('events.bicep').code)?.[1];
  expect(textOf('functions/events.ts')).toContain(`app.eventGrid<unknown>('${name}'`);
});

it('names the first server as capacity would', () => {
  const name = /name: '(sql-[^']+)'/.exec(fileNamed('modules/sql-server.bicep').code)?.[1] ?? '';
  expect(name.replace('${environmentName}', 'prod').replace('${region}', 'westeurope')).toBe(
    serverName('prod', 'westeurope', 1),
  );
});

describe('the queries of workbook and alerts', () => {
  const queries = [...JSON.stringify(workbook).matchAll(/"query":"((?:[^"\\]|\\.)*)"/g)].map(([, query = '']) =>
    z.string().parse(JSON.parse(`"${query}"`)),
  );
  const capacityQueries = [...queries, ...alerts.map(({ query }) => query.join('\n'))].filter((query) =>
    query.includes('"capacity.'),
  );
  const source = textOf('lib/capacity/metrics.ts');
  const factsOf: Record<string, string> = {
    [metricLines.region]: 'RegionMetricFacts',
    [metricLines.server]: 'ServerMetricFacts',
    [metricLines.tick]: 'TickFacts',
    [metricLines.alert]: 'AlertFacts',
    [metricLines.provisioning]: 'ProvisioningFacts',
  };

  it('read every kind of line that capacity writes, and none that it does not', () => {
    const read = new Set(capacityQueries.map((query) => /"(capacity\.\w+)"/.exec(query)?.[1]));
    expect([...read].sort()).toEqual(Object.values(metricLines).sort());
  });

  it.each(capacityQueries)('read facts that the line has (query %#)', (query) => {
    const name = factsOf[/"(capacity\.\w+)"/.exec(query)?.[1] ?? ''] ?? 'none';
    const body = new RegExp(`export interface ${name} \\{([^}]*)\\}`).exec(source)?.[1] ?? '';
    const facts = [...body.matchAll(/^ {2}(\w+):/gm)].map(([, fact]) => fact);
    const used = [...query.matchAll(/facts\.(\w+)/g)].map(([, fact]) => fact);
    expect(facts.length).toBeGreaterThan(0);
    expect(facts).toEqual(expect.arrayContaining(used));
  });

  it('know the words for severity', () => {
    const asked = alerts.flatMap(({ query }) => [...query.join('\n').matchAll(/severity\) == '(\w+)'/g)]);
    expect(asked.map(([, severity]) => severity)).toEqual([severities.at(-1)]);
  });
});
