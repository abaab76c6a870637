import { SecretClient } from '@azure/keyvault-secrets';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates } from '../../../local/certificates/certificates';
import { createVaults, type Vaults } from '../../../local/key-vault/vaults';
import { type ArmHarness, startHarness } from './harness';

const subscription = '/subscriptions/00000000-0000-0000-0000-000000000001';
const group = `${subscription}/resourceGroups/data-dev`;
const workspace = `${group}/providers/Microsoft.Databricks/workspaces/dev`;
const vault = `${group}/providers/Microsoft.KeyVault/vaults/data-dev-kv`;
const location = 'westeurope';

describe('generic resources', () => {
  let harness: ArmHarness;
  beforeEach(async () => {
    harness = await startHarness({ workspaces: { ensure: async (name) => `localhost:4/${name}` } });
    await harness.resources.resourceGroups.createOrUpdate('data-dev', { location, tags: { stage: 'dev' } });
  });
  afterEach(() => harness.stop());
  const createWorkspace = () =>
    harness.resources.resources.beginCreateOrUpdateByIdAndWait(workspace, '2018-04-01', {
      location,
      sku: { name: 'premium' },
      properties: { managedResourceGroupId: `${subscription}/resourceGroups/managed` },
    });

  it('has resource groups that can be created twice', async () => {
    const { resourceGroups } = harness.resources;
    expect((await resourceGroups.checkExistence('data-dev')).body).toBe(true);
    expect((await resourceGroups.checkExistence('none')).body).toBe(false);
    expect(await resourceGroups.get('DATA-DEV')).toMatchObject({ name: 'data-dev', tags: { stage: 'dev' } });
    await expect(resourceGroups.createOrUpdate('data-dev', { location: 'northeurope' })).rejects.toMatchObject({
      code: 'InvalidResourceGroupLocation',
    });
  });

  it('creates a Databricks workspace and says where it is', async () => {
    const { resources } = harness.resources;
    await expect(resources.getById(workspace, '2018-04-01')).rejects.toMatchObject({ statusCode: 404 });
    await createWorkspace();
    const { properties } = await resources.getById(workspace, '2018-04-01');
    expect(properties).toMatchObject({ workspaceUrl: 'localhost:4/dev', provisioningState: 'Succeeded' });
    await createWorkspace();
    expect((await resources.getById(workspace, '2018-04-01')).properties).toMatchObject(properties ?? {});
    const listed: (string | undefined)[] = [];
    for await (const { id } of resources.listByResourceGroup('data-dev')) listed.push(id);
    expect(listed).toEqual([workspace]);
    await resources.beginDeleteByIdAndWait(workspace, '2018-04-01');
    expect((await resources.checkExistenceById(workspace, '2018-04-01')).body).toBe(false);
  });

  it('deploys a template, and keeps its outputs', async () => {
    const deploy = (template: object) =>
      harness.resources.resources.beginCreateOrUpdateByIdAndWait(
        `${group}/providers/Microsoft.Resources/deployments/first`,
        '2021-04-01',
        { properties: { mode: 'Incremental', template, parameters: { name: { value: 'dev' } } } },
      );
    const { properties } = await deploy({
      parameters: { name: { type: 'string' } },
      resources: [{ type: 'Microsoft.Databricks/workspaces', name: "[parameters('name')]", location }],
      outputs: { workspace: { type: 'string', value: "[parameters('name')]" } },
    });
    expect(properties).toMatchObject({
      provisioningState: 'Succeeded',
      outputs: { workspace: { value: 'dev' } },
      outputResources: [{ id: workspace }],
    });
    await expect(
      deploy({ resources: [{ type: 'Microsoft.Databricks/workspaces', name: "[concat('a', 'b')]" }] }),
    ).rejects.toThrow("[concat('a', 'b')] is not understood here");
  });

  it('refuses types that it does not know by name', async () => {
    await expect(
      harness.resources.resources.getById(`${group}/providers/Microsoft.Web/sites/x`, '2022-03-01'),
    ).rejects.toThrow('does not support resources of type Microsoft.Web/sites');
  });
});

describe('key vaults', () => {
  let folder: string;
  let ca: string;
  let vaults: Vaults;
  let harness: ArmHarness;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'vaults-'));
    const certificates = await ensureCertificates(folder, ['localhost'], new Date());
    ca = readFileSync(certificates.caFile, 'utf8');
    const stateFolder = join(folder, 'vaults');
    // The harness has an identity of its own; it is known once it has started.
    const verifyToken: ArmHarness['identity']['verifyToken'] = (...token) => harness.identity.verifyToken(...token);
    vaults = createVaults({ stateFolder, tls: certificates, verifyToken });
    harness = await startHarness({ vaults });
    await harness.resources.resourceGroups.createOrUpdate('data-dev', { location });
  });
  afterEach(async () => {
    await harness.stop();
    await vaults.stop();
    rmSync(folder, { recursive: true });
  });

  const put = (objectIds: string[]) =>
    harness.resources.resources.beginCreateOrUpdateByIdAndWait(vault, '2023-07-01', {
      location,
      properties: {
        tenantId: harness.identity.tenantId,
        sku: { family: 'A', name: 'standard' },
        accessPolicies: objectIds.map((objectId) => ({
          tenantId: harness.identity.tenantId,
          objectId,
          permissions: { secrets: ['get', 'list', 'set'] },
        })),
      },
    });
  const secrets = async (): Promise<SecretClient> => {
    const { properties } = await harness.resources.resources.getById(vault, '2023-07-01');
    const vaultUri = String(properties?.['vaultUri']);
    const getToken = async () => {
      const token = harness.identity.issueToken('https://vault.azure.net');
      return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
    };
    return new SecretClient(vaultUri, { getToken }, { disableChallengeResourceVerification: true, tlsOptions: { ca } });
  };

  it('creates a vault that those of its access policies can use, until they are gone from them', async () => {
    await put([harness.identity.objectId]);
    const client = await secrets();
    await client.setSecret('token', 'one');
    expect((await client.getSecret('token')).value).toBe('one');
    await put([]);
    await expect(client.getSecret('token')).rejects.toMatchObject({ statusCode: 403 });
    await harness.restart();
    await put([harness.identity.objectId]);
    expect((await (await secrets()).getSecret('token')).value).toBe('one');
  });

  it('keeps the name and the secrets of a deleted vault until it is recovered where it was', async () => {
    const { resources } = harness.resources;
    const deletedId = `${subscription}/providers/Microsoft.KeyVault/locations/${location}/deletedVaults/data-dev-kv`;
    const recover = (id: string) =>
      resources.beginCreateOrUpdateByIdAndWait(id, '2023-07-01', {
        location,
        properties: { tenantId: harness.identity.tenantId, sku: { name: 'standard' }, createMode: 'recover' },
      });
    await put([harness.identity.objectId]);
    const client = await secrets();
    await client.setSecret('token', 'one');
    await expect(resources.getById(deletedId, '2023-07-01')).rejects.toMatchObject({ statusCode: 404 });
    await resources.beginDeleteByIdAndWait(vault, '2023-07-01');
    await expect(client.getSecret('token')).rejects.toMatchObject({ statusCode: 403 });
    expect((await resources.getById(deletedId, '2023-07-01')).properties).toMatchObject({ vaultId: vault });
    await expect(put([])).rejects.toMatchObject({ statusCode: 409, code: 'ConflictError' });
    await expect(recover(vault.replace('data-dev-kv', 'other'))).rejects.toMatchObject({ statusCode: 400 });
    await recover(vault);
    expect((await (await secrets()).getSecret('token')).value).toBe('one');
    await expect(resources.getById(deletedId, '2023-07-01')).rejects.toMatchObject({ statusCode: 404 });
  });
});
