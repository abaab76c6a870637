/** The ARM resources that deployments to Databricks need. */
export interface AzureResources {
  /** null: there is none. `ready`: it has been provisioned. */
  findWorkspace(resourceId: string): Promise<{ resourceId: string; url: string; ready: boolean } | null>;
  findVault(resourceId: string): Promise<Vault | null>;
  /**
   * Creates a vault that is not there. On one that is there this would replace its access: never call it then. One that was
   * deleted and can be recovered is recovered, with its secrets.
   */
  createVault(
    resourceId: string,
    settings: { region: string; administrators: readonly string[] },
  ): Promise<Vault & { recovered: boolean }>;
  /** Adds to who may read and set secrets, and takes nothing away. */
  grantSecrets(resourceId: string, administrators: readonly string[]): Promise<void>;
}

export interface Vault {
  resourceId: string;
  url: string;
}

/** The secrets of one Key Vault. */
export interface VaultSecrets {
  /** null: there is none. A disabled secret is there, and has no value for us. */
  find(name: string): Promise<{ value: string | null } | null>;
  /** Only where there is none; one that was deleted and can be recovered is recovered instead. */
  createMissing(name: string, value: string): Promise<'created' | 'recovered' | 'exists'>;
}

/** @param url of the vault, as ARM says it */
export type OpenVault = (url: string) => VaultSecrets;

export interface ServicePrincipal {
  tenantId: string;
  clientId: string;
  clientSecret: string;
}
