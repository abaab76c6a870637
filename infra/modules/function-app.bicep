// The app on Flex Consumption: as many instances as there is work, none where there is none.
param name string
param planName string
param location string
param tags object
param identityId string
param identityClientId string
param storageAccountName string
param deploymentContainer string
param applicationInsightsConnectionString string
param serviceBusNamespace string
param eventHubsNamespace string
param cosmosEndpoint string
param cosmosDatabase string
param keyVaultUrl string
param identityPrincipalId string
param eventTopicEndpoint string
param environmentName string
param serverResourceGroup string
param sqlRegions array
param sqlAdminGroupName string
param sqlAdminGroupObjectId string
param logAnalyticsWorkspaceId string
param workerServiceBusSecretUri string
param clusterAdmins string

@secure()
param redisUrl string

@description('Instances at the same time; each builds up to 32 lanes.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 100

// Names of the app's own settings are those of lib/platform/settings.ts. A connection that is made with an identity has the name of
// the setting with `__` and what the Functions host reads.
var settings = {
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  AzureWebJobsStorage__accountName: storageAccountName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  // DefaultAzureCredential takes this identity, and not the system's.
  AZURE_CLIENT_ID: identityClientId
  SQLFLEET_SERVICE_BUS__fullyQualifiedNamespace: serviceBusNamespace
  SQLFLEET_SERVICE_BUS__credential: 'managedidentity'
  SQLFLEET_SERVICE_BUS__clientId: identityClientId
  SQLFLEET_EVENT_HUBS__fullyQualifiedNamespace: eventHubsNamespace
  SQLFLEET_EVENT_HUBS__credential: 'managedidentity'
  SQLFLEET_EVENT_HUBS__clientId: identityClientId
  SQLFLEET_BLOBS__serviceUri: 'https://${storageAccountName}.blob.${environment().suffixes.storage}'
  SQLFLEET_COSMOS_ENDPOINT: cosmosEndpoint
  SQLFLEET_COSMOS_DATABASE: cosmosDatabase
  SQLFLEET_KEY_VAULT_URL: keyVaultUrl
  SQLFLEET_WORKER_SERVICE_BUS: '@Microsoft.KeyVault(SecretUri=${workerServiceBusSecretUri})'
  // Empty ones count as absent: nobody is named, and instances follow the documents.
  SQLFLEET_CLUSTER_ADMINS: clusterAdmins
  REDIS_URL: redisUrl
  SQLFLEET_SQL_AUTHENTICATION: 'entra'
  SQLFLEET_SQL_ALLOWED_SERVERS: environment().suffixes.sqlServerHostname
  // Events of the subscription and of all that is in it; what the app itself does starts nothing.
  SQLFLEET_EVENTS_TOPICS: subscription().id
  SQLFLEET_EVENTS_OWN_IDENTITIES: '${identityPrincipalId},${identityClientId}'
  SQLFLEET_EVENTS_PUBLISH_ENDPOINT: eventTopicEndpoint
  SQLFLEET_CAPACITY_SUBSCRIPTION: subscription().subscriptionId
  SQLFLEET_CAPACITY_TENANT: tenant().tenantId
  SQLFLEET_CAPACITY_RESOURCE_GROUP: serverResourceGroup
  SQLFLEET_CAPACITY_REGIONS: join(sqlRegions, ',')
  SQLFLEET_CAPACITY_ENVIRONMENT: environmentName
  SQLFLEET_CAPACITY_ADMIN_GROUP: sqlAdminGroupName
  SQLFLEET_CAPACITY_ADMIN_GROUP_ID: sqlAdminGroupObjectId
  SQLFLEET_CAPACITY_LOG_ANALYTICS: logAnalyticsWorkspaceId
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    keyVaultReferenceIdentity: identityId
    httpsOnly: true
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: deploymentContainer
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'node'
        version: '22'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: maximumInstances
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
    }
  }

  resource appSettings 'config' = {
    name: 'appsettings'
    properties: settings
  }

  // Deployments go through the identity of whoever deploys, never through a password.
  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: {
      allow: false
    }
  }

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: {
      allow: false
    }
  }
}

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
