// What capacity does to logical servers needs these roles, in the resource group of the servers and nowhere else.
param principalId string

var roles = {
  // Servers, databases and pools, but neither their security settings nor access to their data.
  sqlServerContributor: '6d8ee4ec-f05a-4a1d-8b00-a9b17e38b437'
  // Auditing, threat protection, vulnerability assessment, Entra-only authentication.
  sqlSecurityManager: '056cd41c-7e88-42e1-933e-88ba6a50c9c3'
  // Diagnostic settings, and reading metrics.
  monitoringContributor: '749f88d5-cbae-40b8-bcfc-e573ddc772fa'
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in items(roles): {
    name: guid(resourceGroup().id, principalId, role.value)
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.value)
    }
  }
]
