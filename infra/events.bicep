// What tells the app of changes. Deployed after the app: Event Grid asks the function at the time when a subscription is made.
@description('The function app of infra/main.bicep.')
param functionAppName string

@description('Its storage account, whose packages start builds.')
param storageAccountName string

@description('The Event Grid trigger of functions/events.ts.')
param functionName string = 'receiveEvent'

// The embedded cloud subscribes with the same filters.
var topology = loadJsonContent('topology.json')

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: functionAppName
}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccountName
}

// Events that could not be delivered for a day are kept here, to be looked at and sent again.
resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  name: '${storageAccountName}/default/dead-events'
}

resource packageTopic 'Microsoft.EventGrid/systemTopics@2022-06-15' = {
  name: 'evgt-packages-${functionAppName}'
  location: account.location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: account.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

// The account has no keys: dead letters are written with the identity of the topic.
resource packageTopicRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, packageTopic.name, blobDataContributor)
  scope: account
  properties: {
    principalId: packageTopic.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

var destination = {
  endpointType: 'AzureFunction'
  properties: {
    resourceId: '${app.id}/functions/${functionName}'
    maxEventsPerBatch: 1
    preferredBatchSizeInKilobytes: 64
  }
}
var deadLetterDestination = {
  endpointType: 'StorageBlob'
  properties: {
    resourceId: account.id
    blobContainerName: 'dead-events'
  }
}

resource packages 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15' = {
  parent: packageTopic
  name: 'packages'
  properties: {
    destination: destination
    eventDeliverySchema: 'EventGridSchema'
    filter: topology.eventGrid.filters.packages
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      deadLetterDestination: deadLetterDestination
    }
  }
  dependsOn: [
    packageTopicRole
    deadLetters
  ]
}

// Changes of SQL servers and Databricks workspaces, and ends of deployments, anywhere in the subscription. Azure allows one system
// topic for the subscription's own events: where there is one already, add this event subscription to that one.
resource resourceTopic 'Microsoft.EventGrid/systemTopics@2022-06-15' = {
  name: 'evgt-resources-${functionAppName}'
  location: 'global'
  properties: {
    source: subscription().id
    topicType: 'Microsoft.Resources.Subscriptions'
  }
}

resource resources 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15' = {
  parent: resourceTopic
  name: 'resources'
  properties: {
    destination: destination
    eventDeliverySchema: 'EventGridSchema'
    // The app ignores what it has no route for; this keeps it from being asked about every disk and network card.
    filter: topology.eventGrid.filters.resources
  }
}
