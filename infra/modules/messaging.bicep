// Work in flight (Service Bus) and progress (Event Hubs), with the entities of infra/topology.json.
param token string
param location string
param tags object
param principalId string

var topology = loadJsonContent('../topology.json')
var topics = topology.serviceBus.topics
// One entry for each subscription of each topic: Bicep has no nested loops over resources.
var subscriptions = flatten(map(topics, topic => map(topic.subscriptions, subscription => { topic: topic.name, subscription: subscription })))
var hubs = topology.eventHubs.hubs
// `$Default` is always there.
var consumerGroups = flatten(map(hubs, hub => map(filter(hub.consumerGroups, group => group != '$Default'), group => { hub: hub.name, group: group })))

resource serviceBus 'Microsoft.ServiceBus/namespaces@2022-10-01-preview' = {
  name: 'sb-sqlfleet-${token}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
    tier: 'Standard'
  }
  properties: {
    minimumTlsVersion: '1.2'
  }
}

resource busTopics 'Microsoft.ServiceBus/namespaces/topics@2022-10-01-preview' = [
  for topic in topics: {
    parent: serviceBus
    name: topic.name
    properties: {
      requiresDuplicateDetection: topic.requiresDuplicateDetection
      duplicateDetectionHistoryTimeWindow: 'PT${topic.duplicateDetectionWindowSeconds}S'
    }
  }
]

resource busSubscriptions 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2022-10-01-preview' = [
  for entry in subscriptions: {
    name: '${serviceBus.name}/${entry.topic}/${entry.subscription.name}'
    dependsOn: [
      busTopics
    ]
    properties: {
      requiresSession: entry.subscription.requiresSession
      lockDuration: 'PT${entry.subscription.lockDurationSeconds}S'
      maxDeliveryCount: entry.subscription.maxDeliveryCount
      deadLetteringOnMessageExpiration: entry.subscription.deadLetteringOnMessageExpiration
    }
  }
]

// Service Bus gives every new subscription a rule `$Default` that takes everything; a rule of that name replaces it, so that a
// subscription never receives the work of another cluster.
resource busRules 'Microsoft.ServiceBus/namespaces/topics/subscriptions/rules@2022-10-01-preview' = [
  for entry in subscriptions: {
    name: '${serviceBus.name}/${entry.topic}/${entry.subscription.name}/$Default'
    dependsOn: [
      busSubscriptions
    ]
    properties: {
      filterType: 'CorrelationFilter'
      correlationFilter: {
        properties: {
          '${entry.subscription.rule.property}': entry.subscription.rule.value
        }
      }
    }
  }
]

resource eventHubs 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: 'evh-sqlfleet-${token}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
    tier: 'Standard'
    capacity: 1
  }
  properties: {
    disableLocalAuth: true
    isAutoInflateEnabled: true
    maximumThroughputUnits: 4
    minimumTlsVersion: '1.2'
  }
}

resource progressHubs 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = [
  for hub in hubs: {
    parent: eventHubs
    name: hub.name
    properties: {
      partitionCount: hub.partitions
      messageRetentionInDays: 1
    }
  }
]

resource hubConsumerGroups 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01' = [
  for entry in consumerGroups: {
    name: '${eventHubs.name}/${entry.hub}/${entry.group}'
    dependsOn: [
      progressHubs
    ]
  }
]

// Owner, and not only sender and receiver: the monitor reads the backlog of subscriptions, which is a right to manage.
var serviceBusDataOwner = '090c5cfd-751d-490a-894a-3ce6f1109419'
var eventHubsDataSender = '2b629674-e913-4c01-ae53-ef4638d8f975'

resource busRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(serviceBus.id, principalId, serviceBusDataOwner)
  scope: serviceBus
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', serviceBusDataOwner)
  }
}

resource hubRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(eventHubs.id, principalId, eventHubsDataSender)
  scope: eventHubs
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', eventHubsDataSender)
  }
}

output serviceBusNamespace string = '${serviceBus.name}.servicebus.windows.net'
output eventHubsNamespace string = '${eventHubs.name}.servicebus.windows.net'
