// Quotas of a region, names and the list of servers belong to the subscription; no built-in role has just the right to read them.
targetScope = 'subscription'

param principalId string
param environmentName string

resource definition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, 'sqlfleet-quota-reader', environmentName)
  properties: {
    roleName: 'Sqlfleet quota reader (${environmentName})'
    description: 'Reads logical SQL servers, their regional quotas and capabilities, and checks names of servers.'
    type: 'CustomRole'
    assignableScopes: [
      subscription().id
    ]
    permissions: [
      {
        actions: [
          'Microsoft.Sql/servers/read'
          'Microsoft.Sql/locations/read'
          'Microsoft.Sql/locations/capabilities/read'
          'Microsoft.Sql/locations/usages/read'
          'Microsoft.Sql/checkNameAvailability/action'
        ]
      }
    ]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, principalId, 'sqlfleet-quota-reader', environmentName)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: definition.id
  }
}
