import { CosmosClient } from '@azure/cosmos';
import { EventHubProducerClient } from '@azure/event-hubs';
import { DefaultAzureCredential, type TokenCredential } from '@azure/identity';
import { SecretClient } from '@azure/keyvault-secrets';
import { ServiceBusAdministrationClient, ServiceBusClient } from '@azure/service-bus';
import { BlobServiceClient } from '@azure/storage-blob';
import { type Settings } from './settings';

/** One client per service and process: each holds connections and tokens that are worth sharing. */
export interface AzureClients {
  credential: TokenCredential;
  serviceBus: ServiceBusClient;
  serviceBusAdministration: ServiceBusAdministrationClient;
  progressHub: EventHubProducerClient;
  cosmos: CosmosClient;
  blobs: BlobServiceClient;
  /** Absent where no Key Vault is configured. */
  secrets?: SecretClient;
}

const progressHubName = 'progress';

/** The SDK's own patience is a minute per try: too long for a message whose connection just died. */
const messagingRetries = { timeoutInMs: 10_000, maxRetries: 5, retryDelayInMs: 500, maxRetryDelayInMs: 5_000 };

export function createAzureClients(settings: Settings): AzureClients {
  const credential = new DefaultAzureCredential();
  const serviceBusOptions = { retryOptions: messagingRetries };
  const serviceBusNamespace = settings.SQLFLEET_SERVICE_BUS__fullyQualifiedNamespace ?? '';
  const eventHubsNamespace = settings.SQLFLEET_EVENT_HUBS__fullyQualifiedNamespace ?? '';
  return {
    credential,
    serviceBus:
      settings.SQLFLEET_SERVICE_BUS === undefined
        ? new ServiceBusClient(serviceBusNamespace, credential, serviceBusOptions)
        : new ServiceBusClient(settings.SQLFLEET_SERVICE_BUS, serviceBusOptions),
    serviceBusAdministration:
      settings.SQLFLEET_SERVICE_BUS === undefined
        ? new ServiceBusAdministrationClient(serviceBusNamespace, credential)
        : new ServiceBusAdministrationClient(settings.SQLFLEET_SERVICE_BUS),
    progressHub:
      settings.SQLFLEET_EVENT_HUBS === undefined
        ? new EventHubProducerClient(eventHubsNamespace, progressHubName, credential, {
            retryOptions: messagingRetries,
          })
        : new EventHubProducerClient(settings.SQLFLEET_EVENT_HUBS, progressHubName, { retryOptions: messagingRetries }),
    cosmos: new CosmosClient({
      endpoint: settings.SQLFLEET_COSMOS_ENDPOINT,
      ...(settings.SQLFLEET_COSMOS_KEY === undefined
        ? { aadCredentials: credential }
        : { key: settings.SQLFLEET_COSMOS_KEY }),
    }),
    blobs:
      settings.SQLFLEET_BLOBS === undefined
        ? new BlobServiceClient(settings.SQLFLEET_BLOBS__serviceUri ?? '', credential)
        : BlobServiceClient.fromConnectionString(settings.SQLFLEET_BLOBS),
    ...(settings.SQLFLEET_KEY_VAULT_URL === undefined
      ? {}
      : { secrets: secretClient(settings.SQLFLEET_KEY_VAULT_URL, credential) }),
  };
}

/** The client checks that the vault asks for a token of its own domain, which only vaults under Azure's can pass. */
export function secretClient(url: string, credential: TokenCredential): SecretClient {
  const ownDomain = new URL(url).hostname.endsWith('.vault.azure.net');
  return new SecretClient(url, credential, { disableChallengeResourceVerification: !ownDomain });
}
