/** Where the app finds the services: the same settings as in Azure, with the stand-ins' addresses. */
export interface AppSettingsInput {
  hostName: string;
  serviceBusConnectionString: string;
  workerServiceBusConnectionString: string;
  eventHubsConnectionString: string;
  blobConnectionString: string;
  cosmos: { endpoint: string; key: string };
  keyVaultUrl: string;
  identity: { endpoint: string; header: string; authorityHost: string };
  armEndpoint: string;
  events: { topics: string; webhookKey: string; ownIdentities: string; topicEndpoint: string; topicKey: string };
  sqlServers: readonly { server: string; host: string; port: number }[];
  /** Where all servers below a domain are reached: those that are created later. */
  sqlGateway: { suffix: string; host: string; port: number };
  arm: {
    endpoint: string;
    subscriptionId: string;
    tenantId: string;
    resourceGroup: string;
    locations: readonly string[];
  };
}

/** The environment that the embedded servers belong to: what is in the tag of every server of ours. */
export const localEnvironment = 'local';

export function appSettings(input: AppSettingsInput): Record<string, string> {
  return {
    // Durable clients build the URLs that they hand out from it.
    WEBSITE_HOSTNAME: input.hostName,
    IDENTITY_ENDPOINT: input.identity.endpoint,
    IDENTITY_HEADER: input.identity.header,
    SQLFLEET_SERVICE_BUS: input.serviceBusConnectionString,
    SQLFLEET_WORKER_SERVICE_BUS: input.workerServiceBusConnectionString,
    SQLFLEET_EVENT_HUBS: input.eventHubsConnectionString,
    SQLFLEET_BLOBS: input.blobConnectionString,
    SQLFLEET_COSMOS_ENDPOINT: input.cosmos.endpoint,
    SQLFLEET_COSMOS_KEY: input.cosmos.key,
    SQLFLEET_KEY_VAULT_URL: input.keyVaultUrl,
    SQLFLEET_SQL_AUTHENTICATION: 'entra',
    SQLFLEET_SQL_ALLOWED_SERVERS: ['localhost', '127.0.0.1', input.sqlGateway.suffix].join(','),
    SQLFLEET_SQL_ENDPOINTS: [
      ...input.sqlServers.map(({ server, host, port }) => `${server}=${host},${port}`),
      `*${input.sqlGateway.suffix}=${input.sqlGateway.host},${input.sqlGateway.port}`,
    ].join(';'),
    SQLFLEET_EVENTS_TOPICS: input.events.topics,
    SQLFLEET_EVENTS_KEYS: input.events.webhookKey,
    SQLFLEET_EVENTS_OWN_IDENTITIES: input.events.ownIdentities,
    SQLFLEET_EVENTS_DEBOUNCE_MS: '1000',
    SQLFLEET_EVENTS_PUBLISH_ENDPOINT: input.events.topicEndpoint,
    SQLFLEET_EVENTS_PUBLISH_KEY: input.events.topicKey,
    SQLFLEET_MONITOR_INTERVAL_MS: '1000',
    SQLFLEET_CAPACITY_SUBSCRIPTION: input.arm.subscriptionId,
    SQLFLEET_CAPACITY_RESOURCE_GROUP: input.arm.resourceGroup,
    SQLFLEET_CAPACITY_REGIONS: input.arm.locations[0] ?? '',
    SQLFLEET_CAPACITY_ENVIRONMENT: localEnvironment,
    SQLFLEET_CAPACITY_TENANT: input.arm.tenantId,
    SQLFLEET_CAPACITY_ADMIN_GROUP: 'Sqlfleet administrators',
    SQLFLEET_CAPACITY_ADMIN_GROUP_ID: input.arm.tenantId,
    SQLFLEET_CAPACITY_LOG_ANALYTICS: `/subscriptions/${input.arm.subscriptionId}/resourceGroups/${input.arm.resourceGroup}/providers/Microsoft.OperationalInsights/workspaces/audit`,
    SQLFLEET_CAPACITY_POLL_MS: '1000',
    SQLFLEET_ARM_ENDPOINT: input.armEndpoint,
    SQLFLEET_ENTRA_AUTHORITY: input.identity.authorityHost,
    SQLFLEET_DATABRICKS_ALLOWED_HOSTS: 'localhost',
    SQLFLEET_WORKSPACES_LOOK_MS: '1000',
  };
}
