import { type ArmHarness, namesOf, place, serverBody, startHarness } from './harness';

let harness: ArmHarness;
beforeEach(async () => {
  harness = await startHarness();
});
afterEach(() => harness.stop());

const sid = '22222222-2222-2222-2222-222222222222';

it('has everything switched off on a server that nobody secured', async () => {
  const { sql } = harness;
  expect((await sql.extendedServerBlobAuditingPolicies.get(...place)).state).toBe('Disabled');
  expect((await sql.serverAdvancedThreatProtectionSettings.get(...place, 'Default')).state).toBe('Disabled');
  expect((await sql.serverSecurityAlertPolicies.get(...place, 'Default')).state).toBe('Disabled');
  expect((await sql.sqlVulnerabilityAssessmentsSettings.get(...place, 'default')).state).toBe('Disabled');
  expect(await namesOf(sql.firewallRules.listByServer(...place))).toEqual([]);
});

it('keeps auditing, threat protection and assessment, each as it was written, over a restart', async () => {
  const { sql } = harness;
  await sql.extendedServerBlobAuditingPolicies.beginCreateOrUpdateAndWait(...place, {
    state: 'Enabled',
    isAzureMonitorTargetEnabled: true,
    auditActionsAndGroups: ['BATCH_COMPLETED_GROUP'],
  });
  await sql.serverAdvancedThreatProtectionSettings.beginCreateOrUpdateAndWait(...place, 'Default', {
    state: 'Enabled',
  });
  await sql.serverSecurityAlertPolicies.beginCreateOrUpdateAndWait(...place, 'Default', { state: 'Enabled' });
  await sql.sqlVulnerabilityAssessmentsSettings.createOrUpdate(...place, 'default', { state: 'Enabled' });
  await harness.restart();
  expect(await sql.extendedServerBlobAuditingPolicies.get(...place)).toMatchObject({
    state: 'Enabled',
    auditActionsAndGroups: ['BATCH_COMPLETED_GROUP'],
  });
  const threats = await sql.serverAdvancedThreatProtectionSettings.listByServer(...place).next();
  expect(threats.value).toMatchObject({ name: 'Default', state: 'Enabled' });
  expect((await sql.sqlVulnerabilityAssessmentsSettings.get(...place, 'default')).state).toBe('Enabled');
});

it('refuses auditing without a destination, and addresses that are none', async () => {
  const { sql } = harness;
  await expect(
    sql.extendedServerBlobAuditingPolicies.beginCreateOrUpdateAndWait(...place, { state: 'Enabled' }),
  ).rejects.toMatchObject({ statusCode: 400 });
  const rule = { startIpAddress: 'everywhere', endIpAddress: '10.0.0.9' };
  await expect(sql.firewallRules.createOrUpdate(...place, 'office', rule)).rejects.toMatchObject({ statusCode: 400 });
});

it('has firewall and network rules by name', async () => {
  const { sql } = harness;
  await sql.firewallRules.createOrUpdate(...place, 'office', { startIpAddress: '10.0.0.1', endIpAddress: '10.0.0.9' });
  expect((await sql.firewallRules.get(...place, 'office')).endIpAddress).toBe('10.0.0.9');
  await sql.firewallRules.delete(...place, 'office');
  expect(await namesOf(sql.firewallRules.listByServer(...place))).toEqual([]);
  const subnet = { virtualNetworkSubnetId: '/subscriptions/x/subnets/y' };
  await sql.virtualNetworkRules.beginCreateOrUpdateAndWait(...place, 'app', subnet);
  expect((await sql.virtualNetworkRules.get(...place, 'app')).state).toBe('Ready');
  await sql.virtualNetworkRules.beginDeleteAndWait(...place, 'app');
  await expect(sql.virtualNetworkRules.get(...place, 'app')).rejects.toMatchObject({ statusCode: 404 });
});

it('shows one administrator in the server and as a resource of its own', async () => {
  const { sql } = harness;
  await sql.servers.beginCreateOrUpdateAndWait('sqlfleet', 'fleet-3', serverBody());
  const server = ['sqlfleet', 'fleet-3'] as const;
  expect((await sql.serverAzureADAdministrators.get(...server, 'ActiveDirectory')).login).toBe('DBA');
  expect((await sql.serverAzureADOnlyAuthentications.get(...server, 'Default')).azureADOnlyAuthentication).toBe(true);
  await sql.serverAzureADAdministrators.beginCreateOrUpdateAndWait(...server, 'ActiveDirectory', {
    administratorType: 'ActiveDirectory',
    login: 'Operators',
    sid,
  });
  await sql.serverAzureADOnlyAuthentications.beginCreateOrUpdateAndWait(...server, 'Default', {
    azureADOnlyAuthentication: false,
  });
  const { administrators } = await sql.servers.get(...server);
  expect(administrators).toMatchObject({ login: 'Operators', sid, azureADOnlyAuthentication: false });
  await sql.serverAzureADAdministrators.beginDeleteAndWait(...server, 'ActiveDirectory');
  await expect(
    sql.serverAzureADOnlyAuthentications.beginCreateOrUpdateAndWait(...server, 'Default', {
      azureADOnlyAuthentication: true,
    }),
  ).rejects.toMatchObject({ statusCode: 400 });
});

it('takes baselines of master through the server, and of other databases through themselves', async () => {
  const { sql } = harness;
  const assessment = [...place, 'default'] as const;
  const write = () =>
    sql.sqlVulnerabilityAssessmentBaselines.createOrUpdate(...assessment, 'default', {
      latestScan: false,
      results: { VA2065: [] },
    });
  await expect(write()).rejects.toMatchObject({ statusCode: 400, code: 'VulnerabilityAssessmentIsDisabled' });
  await sql.sqlVulnerabilityAssessmentsSettings.createOrUpdate(...assessment, { state: 'Enabled' });
  await expect(sql.sqlVulnerabilityAssessmentBaseline.get(...assessment, 'default')).rejects.toMatchObject({
    statusCode: 404,
  });
  await write();
  expect((await sql.sqlVulnerabilityAssessmentBaseline.get(...assessment, 'default')).results).toEqual({ VA2065: [] });
  const ofDatabase = (database: string) =>
    sql.databaseSqlVulnerabilityAssessmentBaselines.get(...place, database, 'default', 'default');
  expect((await ofDatabase('master')).results).toEqual({ VA2065: [] });
  await expect(ofDatabase('orders')).rejects.toMatchObject({ statusCode: 404 });
  await sql.sqlVulnerabilityAssessmentRuleBaseline.createOrUpdate(...assessment, 'default', 'VA1258', {
    latestScan: false,
    results: [['dbo', 'db_owner']],
  });
  const { results } = await ofDatabase('master');
  expect(results).toEqual({ VA1258: [['dbo', 'db_owner']], VA2065: [] });
});

it('makes the latest scan the baseline once there is one', async () => {
  const { sql } = harness;
  const assessment = [...place, 'orders', 'default'] as const;
  await sql.sqlVulnerabilityAssessmentsSettings.createOrUpdate(...place, 'default', { state: 'Enabled' });
  const write = () =>
    sql.databaseSqlVulnerabilityAssessmentBaselines.createOrUpdate(...assessment, 'default', {
      latestScan: true,
      results: {},
    });
  await expect(write()).rejects.toMatchObject({ statusCode: 404 });
  await sql.databaseSqlVulnerabilityAssessmentExecuteScan.beginExecuteAndWait(...assessment);
  expect((await sql.databaseSqlVulnerabilityAssessmentScans.get(...assessment, 'latest')).state).toBe('Failed');
  expect(Object.keys((await write()).results ?? {})).toContain('VA1258');
});
