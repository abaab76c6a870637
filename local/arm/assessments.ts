import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { jsonResponse, type ServiceRequest } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { notFound, parsed } from './answers';
import { databaseNames } from './databases';
import { type ArmRoute, type PathParameters } from './router';
import { settingResource } from './server-settings';
import { type Resource } from './state';
import { type ArmWorld, requireServer, serverPath, serverType } from './world';

const results = z.record(z.string(), z.array(z.array(z.string())));
const setSchema = z.object({ properties: z.object({ latestScan: z.boolean(), results: results.default({}) }) });
const ruleSchema = z.object({
  properties: z.object({ latestScan: z.boolean(), results: z.array(z.array(z.string())).default([]) }),
});
const scanSchema = z.looseObject({ findings: results, timeMs: z.number() });

/** What a scan of a database finds here: nothing that differs between databases. */
const findings: z.infer<typeof results> = { VA1258: [['dbo', 'db_owner']], VA2065: [], VA2108: [['dbo', 'db_owner']] };
const assessmentType = `${serverType}/databases/sqlVulnerabilityAssessments`;

/**
 * SQL vulnerability assessment (express configuration): baselines and scans of databases. The calls below a server are
 * those of its `master`, which they name in the query.
 */
export function assessmentRoutes(world: ArmWorld): ArmRoute[] {
  const { state, operations, lists } = world;

  /** The assessment that a path names: a folder of its own below the database. */
  const requireAssessment = async (parameters: PathParameters, request: ServiceRequest): Promise<Resource> => {
    const server = requireServer(world, parameters);
    const wanted = parameters['database'] ?? request.query.get('systemDatabaseName') ?? '';
    const database = (await databaseNames(world, server)).find((each) => each.toLowerCase() === wanted.toLowerCase());
    if (database === undefined) throw notFound(`${serverType}/${server.name}/databases/${wanted}`);
    const properties = settingResource(world, server, 'sqlVulnerabilityAssessments', 'default')?.properties ?? {};
    const id = `${server.id}/databases/${database}/sqlVulnerabilityAssessments/default`;
    return { id, name: 'default', type: assessmentType, properties };
  };
  const requireEnabled = async (parameters: PathParameters, request: ServiceRequest): Promise<Resource> => {
    const assessment = await requireAssessment(parameters, request);
    if (assessment.properties['state'] === 'Enabled') return assessment;
    const message = 'SQL vulnerability assessment is not enabled on the server.';
    throw new ServiceError(400, 'VulnerabilityAssessmentIsDisabled', message);
  };
  const scansOf = ({ id }: Resource): Resource[] => state.list(`${id}/scans`);
  const findScan = (assessment: Resource, wanted = ''): Resource => {
    const scans = scansOf(assessment);
    const scan = wanted === 'latest' ? scans.at(-1) : scans.find(({ name }) => name === wanted);
    if (scan === undefined) throw notFound(`${assessment.id}/scans/${wanted}`);
    return scan;
  };
  const latestFindings = (assessment: Resource): z.infer<typeof results> =>
    scanSchema.parse(findScan(assessment, 'latest').properties).findings;
  const baselineOf = ({ id }: Resource): Resource | undefined => state.get(`${id}/baselines/default`);
  const resultsOf = (baseline: Resource | undefined) => results.parse(baseline?.properties['results'] ?? {});
  const setBaseline = ({ id }: Resource, next: z.infer<typeof results>): Resource => {
    const type = `${assessmentType}/baselines`;
    const baseline = { id: `${id}/baselines/default`, name: 'default', type, properties: { results: next } };
    state.put(baseline);
    return baseline;
  };
  const ruleOf = (assessment: Resource, rule = ''): Resource => {
    const found = resultsOf(baselineOf(assessment))[rule];
    const id = `${assessment.id}/baselines/default/rules/${rule}`;
    if (found === undefined) throw notFound(id);
    return { id, name: rule, type: `${assessmentType}/baselines/rules`, properties: { results: found } };
  };
  /** Findings are ours; clients are told what the service tells. */
  const toldScan = ({ properties: { findings: _, timeMs, ...properties }, ...rest }: Resource) => {
    const time = new Date(Number(timeMs)).toISOString();
    return { ...rest, properties: { ...properties, startTime: time, endTime: time } };
  };

  operations.define('scan', async (id) => {
    const ordinal = state.list(`${id}/scans`).length + 1;
    const scanId = `Scan_${ordinal}_${randomUUID().slice(0, 8)}`;
    const failed = Object.values(findings).filter((rows) => rows.length > 0).length;
    const counts = { totalRulesCount: 40, totalFailedRulesCount: failed, totalPassedRulesCount: 40 - failed };
    const properties = { scanId, triggerType: 'OnDemand', state: 'Failed', ...counts, findings };
    const full = { ...properties, timeMs: world.clock.nowMs() };
    state.put({ id: `${id}/scans/${scanId}`, name: scanId, type: `${assessmentType}/scans`, properties: full });
  });

  const at = (base: string): ArmRoute[] => [
    {
      name: 'readBaseline',
      method: 'GET',
      path: `${base}/baselines/{baseline}`,
      async handle(parameters, request) {
        const baseline = baselineOf(await requireAssessment(parameters, request));
        if (baseline === undefined) throw notFound(request.path);
        return jsonResponse(200, baseline);
      },
    },
    {
      name: 'listBaselines',
      method: 'GET',
      path: `${base}/baselines`,
      async handle(parameters, request) {
        const baseline = baselineOf(await requireAssessment(parameters, request));
        return lists.page('listBaselines', request, baseline === undefined ? [] : [baseline]);
      },
    },
    {
      name: 'writeBaseline',
      method: 'PUT',
      path: `${base}/baselines/{baseline}`,
      async handle(parameters, request) {
        const assessment = await requireEnabled(parameters, request);
        const { properties } = parsed(setSchema, request);
        const next = properties.latestScan ? latestFindings(assessment) : properties.results;
        return jsonResponse(200, setBaseline(assessment, next));
      },
    },
    {
      name: 'listRuleBaselines',
      method: 'GET',
      path: `${base}/baselines/{baseline}/rules`,
      async handle(parameters, request) {
        const assessment = await requireAssessment(parameters, request);
        const rules = Object.keys(resultsOf(baselineOf(assessment)));
        return lists.page('listRuleBaselines', request, rules, (rule) => ruleOf(assessment, rule));
      },
    },
    {
      name: 'readRuleBaseline',
      method: 'GET',
      path: `${base}/baselines/{baseline}/rules/{rule}`,
      handle: async (parameters, request) =>
        jsonResponse(200, ruleOf(await requireAssessment(parameters, request), parameters['rule'])),
    },
    {
      name: 'writeRuleBaseline',
      method: 'PUT',
      path: `${base}/baselines/{baseline}/rules/{rule}`,
      async handle(parameters, request) {
        const assessment = await requireEnabled(parameters, request);
        const { properties } = parsed(ruleSchema, request);
        const rule = parameters['rule'] ?? '';
        const rows = properties.latestScan ? (latestFindings(assessment)[rule] ?? []) : properties.results;
        setBaseline(assessment, { ...resultsOf(baselineOf(assessment)), [rule]: rows });
        return jsonResponse(200, ruleOf(assessment, rule));
      },
    },
    {
      name: 'deleteRuleBaseline',
      method: 'DELETE',
      path: `${base}/baselines/{baseline}/rules/{rule}`,
      async handle(parameters, request) {
        const assessment = await requireAssessment(parameters, request);
        const { [parameters['rule'] ?? '']: existing, ...rest } = resultsOf(baselineOf(assessment));
        if (existing !== undefined) setBaseline(assessment, rest);
        return { status: existing === undefined ? 204 : 200 };
      },
    },
    {
      name: 'scan',
      method: 'POST',
      path: `${base}/initiateScan`,
      handle: async (parameters, request) =>
        operations.accept(request, 'scan', (await requireEnabled(parameters, request)).id),
    },
    {
      name: 'listScans',
      method: 'GET',
      path: `${base}/scans`,
      handle: async (parameters, request) =>
        lists.page('listScans', request, scansOf(await requireAssessment(parameters, request)), toldScan),
    },
    {
      name: 'readScan',
      method: 'GET',
      path: `${base}/scans/{scan}`,
      handle: async (parameters, request) =>
        jsonResponse(200, toldScan(findScan(await requireAssessment(parameters, request), parameters['scan']))),
    },
  ];
  const below = `${serverPath}/databases/{database}/sqlVulnerabilityAssessments`;
  return [
    ...at(`${serverPath}/sqlVulnerabilityAssessments/{assessment}`),
    ...at(`${below}/{assessment}`),
    {
      name: 'readAssessment',
      method: 'GET',
      path: `${below}/{assessment}`,
      handle: async (parameters, request) => jsonResponse(200, await requireAssessment(parameters, request)),
    },
  ];
}
