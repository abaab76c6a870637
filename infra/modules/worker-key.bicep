// What the app signs workers' credentials with: a rule of the topic that may only listen, its connection string in the vault.
param serviceBusName string
param topicName string
param keyVaultName string

resource serviceBus 'Microsoft.ServiceBus/namespaces@2022-10-01-preview' existing = {
  name: serviceBusName
}

resource topic 'Microsoft.ServiceBus/namespaces/topics@2022-10-01-preview' existing = {
  parent: serviceBus
  name: topicName
}

resource rule 'Microsoft.ServiceBus/namespaces/topics/authorizationRules@2022-10-01-preview' = {
  parent: topic
  name: 'workers'
  properties: {
    rights: [
      'Listen'
    ]
  }
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: keyVaultName
}

resource secret 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = {
  parent: vault
  name: 'worker-service-bus'
  properties: {
    value: rule.listKeys().primaryConnectionString
  }
}

output secretUri string = secret.properties.secretUri
