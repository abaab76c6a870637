// Documents, with the containers of infra/topology.json. Serverless: what is paid is what is used. No keys: identities only.
param name string
param location string
param tags object
param principalId string

var topology = loadJsonContent('../topology.json')

resource account 'Microsoft.DocumentDB/databaseAccounts@2024-05-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    disableLocalAuth: true
    minimalTlsVersion: 'Tls12'
    // A session is one instance's. What another one wrote, a revoked key above all, counts from the moment it was answered.
    consistencyPolicy: {
      defaultConsistencyLevel: 'Strong'
    }
    capabilities: [
      {
        name: 'EnableServerless'
      }
    ]
    locations: [
      {
        locationName: location
        failoverPriority: 0
        isZoneRedundant: false
      }
    ]
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: 'Continuous7Days'
      }
    }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2024-05-15' = {
  parent: account
  name: topology.cosmos.database
  properties: {
    resource: {
      id: topology.cosmos.database
    }
  }
}

resource containers 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-05-15' = [
  for container in topology.cosmos.containers: {
    parent: database
    name: container.name
    properties: {
      resource: {
        id: container.name
        partitionKey: {
          kind: 'Hash'
          paths: [
            container.partitionKey
          ]
        }
        // -1: documents end only where they say so themselves.
        defaultTtl: any(container).?defaultTtlSeconds ?? -1
        indexingPolicy: {
          automatic: true
          indexingMode: 'consistent'
          includedPaths: [
            {
              path: '/*'
            }
          ]
          excludedPaths: [
            {
              path: '/"_etag"/?'
            }
          ]
          compositeIndexes: any(container).?compositeIndexes ?? []
        }
      }
    }
  }
]

// "Cosmos DB Built-in Data Contributor": reads and writes documents, creates nothing.
var dataContributor = '00000000-0000-0000-0000-000000000002'

resource assignment 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2024-05-15' = {
  parent: account
  name: guid(account.id, principalId, dataContributor)
  properties: {
    principalId: principalId
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${dataContributor}'
    scope: account.id
  }
}

output endpoint string = account.properties.documentEndpoint
output database string = topology.cosmos.database
