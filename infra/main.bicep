// Sqlfleet in one resource group, and logical SQL servers in another that only grows. `azd up` runs it; docs/deploy.md explains it.
targetScope = 'subscription'

@description('Name of the environment; part of all names.')
@minLength(1)
@maxLength(16)
param environmentName string

@description('Region of the app.')
param location string

@description('Object id of the Entra group that administers the SQL servers. The identity of the app has to be a member.')
param sqlAdminGroupObjectId string

@description('Display name of that group.')
param sqlAdminGroupName string

@description('Regions that capacity keeps supplied with servers; the first server is created in the first one.')
param sqlRegions array = [
  location
]

@description('Whether the first server is created by this deployment; capacity creates all others.')
param createFirstServer bool = true

@description('Where alerts go; empty: they are only shown.')
param alertEmail string = ''

@description('Who may change build clusters and read the whole audit log: names as they sign in, separated by commas.')
param clusterAdmins string = ''

@description('Redis for the picture of the build clusters: rediss://…, or a reference to a secret with it; empty: none.')
@secure()
param redisUrl string = ''

var tags = {
  'azd-env-name': environmentName
  application: 'sqlfleet'
}
// Part of server names, in which capacity allows no hyphen.
var shortName = toLower(replace(replace(environmentName, '-', ''), '_', ''))
var token = take(uniqueString(subscription().id, environmentName, location), 8)

resource appGroup 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-sqlfleet-${environmentName}'
  location: location
  tags: tags
}

resource serverGroup 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-sqlfleet-${environmentName}-servers'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: appGroup
  params: {
    name: 'id-sqlfleet-${token}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: appGroup
  params: {
    token: token
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    alertEmail: alertEmail
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: appGroup
  params: {
    name: 'stsqlfleet${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module messaging 'modules/messaging.bicep' = {
  name: 'messaging'
  scope: appGroup
  params: {
    token: token
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module cosmos 'modules/cosmos.bicep' = {
  name: 'cosmos'
  scope: appGroup
  params: {
    name: 'cosmos-sqlfleet-${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module keyVault 'modules/key-vault.bicep' = {
  name: 'keyVault'
  scope: appGroup
  params: {
    name: 'kv-sqlfleet-${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module eventTopic 'modules/event-topic.bicep' = {
  name: 'eventTopic'
  scope: appGroup
  params: {
    name: 'evgt-sqlfleet-${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

// What the app may do to logical servers: in their resource group only.
module serverRoles 'modules/server-roles.bicep' = {
  name: 'serverRoles'
  scope: serverGroup
  params: {
    principalId: identity.outputs.principalId
  }
}

module quotaRole 'modules/quota-role.bicep' = {
  name: 'quotaRole'
  params: {
    principalId: identity.outputs.principalId
    environmentName: environmentName
  }
}

module firstServer 'modules/sql-server.bicep' = if (createFirstServer) {
  name: 'firstServer'
  scope: serverGroup
  params: {
    environmentName: shortName
    location: sqlRegions[0]
    adminGroupName: sqlAdminGroupName
    adminGroupObjectId: sqlAdminGroupObjectId
    logAnalyticsWorkspaceId: monitoring.outputs.workspaceId
  }
}

// What workers of other clusters get is signed with it.
module workerKey 'modules/worker-key.bicep' = {
  name: 'workerKey'
  scope: appGroup
  dependsOn: [
    messaging
    keyVault
  ]
  params: {
    serviceBusName: 'sb-sqlfleet-${token}'
    topicName: 'database-builds'
    keyVaultName: 'kv-sqlfleet-${token}'
  }
}

module functionApp 'modules/function-app.bicep' = {
  name: 'functionApp'
  scope: appGroup
  params: {
    name: 'func-sqlfleet-${token}'
    planName: 'plan-sqlfleet-${token}'
    location: location
    tags: union(tags, { 'azd-service-name': 'app' })
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageAccountName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    serviceBusNamespace: messaging.outputs.serviceBusNamespace
    eventHubsNamespace: messaging.outputs.eventHubsNamespace
    cosmosEndpoint: cosmos.outputs.endpoint
    cosmosDatabase: cosmos.outputs.database
    keyVaultUrl: keyVault.outputs.url
    identityPrincipalId: identity.outputs.principalId
    eventTopicEndpoint: eventTopic.outputs.endpoint
    environmentName: shortName
    serverResourceGroup: serverGroup.name
    sqlRegions: sqlRegions
    sqlAdminGroupName: sqlAdminGroupName
    sqlAdminGroupObjectId: sqlAdminGroupObjectId
    logAnalyticsWorkspaceId: monitoring.outputs.workspaceId
    workerServiceBusSecretUri: workerKey.outputs.secretUri
    clusterAdmins: clusterAdmins
    redisUrl: redisUrl
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = appGroup.name
output SERVER_RESOURCE_GROUP string = serverGroup.name
output FUNCTION_APP_NAME string = functionApp.outputs.name
output FUNCTION_APP_URL string = functionApp.outputs.url
output STORAGE_ACCOUNT_NAME string = storage.outputs.name
output APP_IDENTITY_NAME string = identity.outputs.name
output APP_IDENTITY_OBJECT_ID string = identity.outputs.principalId
