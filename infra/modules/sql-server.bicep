// The first logical server, from the very template that capacity creates all others from (infra/sql-server-template.json), and
// with the name that capacity would give it: it is adopted, and counted, like those.
param environmentName string
param location string
param adminGroupName string
param adminGroupObjectId string
param logAnalyticsWorkspaceId string

var template = loadJsonContent('../sql-server-template.json')
var region = toLower(replace(location, ' ', ''))

resource server 'Microsoft.Sql/servers@2023-08-01-preview' = {
  name: 'sql-${environmentName}-${region}-001'
  location: location
  tags: json(replace(string(template.tags), '\${environment}', environmentName))
  identity: {
    type: template.server.identity
  }
  properties: {
    version: template.server.version
    minimalTlsVersion: template.server.minimalTlsVersion
    publicNetworkAccess: template.server.publicNetworkAccess
    restrictOutboundNetworkAccess: template.server.restrictOutboundNetworkAccess
    administrators: union(template.server.administrators, {
      login: adminGroupName
      sid: adminGroupObjectId
      tenantId: tenant().tenantId
    })
  }
}

resource firewallRules 'Microsoft.Sql/servers/firewallRules@2023-08-01-preview' = [
  for rule in template.firewallRules: {
    parent: server
    name: rule.name
    properties: {
      startIpAddress: rule.startIpAddress
      endIpAddress: rule.endIpAddress
    }
  }
]

resource networkRules 'Microsoft.Sql/servers/virtualNetworkRules@2023-08-01-preview' = [
  for rule in template.virtualNetworkRules: {
    parent: server
    name: rule.name
    properties: {
      virtualNetworkSubnetId: rule.subnetId
    }
  }
]

resource auditing 'Microsoft.Sql/servers/extendedAuditingSettings@2023-08-01-preview' = {
  parent: server
  name: 'default'
  properties: {
    state: template.auditing.state
    isAzureMonitorTargetEnabled: template.auditing.isAzureMonitorTargetEnabled
    auditActionsAndGroups: template.auditing.auditActionsAndGroups
  }
}

resource threatProtection 'Microsoft.Sql/servers/advancedThreatProtectionSettings@2023-08-01-preview' = {
  parent: server
  name: 'Default'
  properties: {
    state: template.threatProtection.state
  }
}

resource assessment 'Microsoft.Sql/servers/sqlVulnerabilityAssessments@2023-08-01-preview' = {
  parent: server
  name: 'default'
  properties: {
    state: template.vulnerabilityAssessment.state
  }
  dependsOn: [
    threatProtection
  ]
}

// Audit records of a server come from its master database. Baselines are set by capacity when it adopts the server.
resource master 'Microsoft.Sql/servers/databases@2023-08-01-preview' existing = {
  parent: server
  name: 'master'
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: template.diagnostics.name
  scope: master
  properties: {
    workspaceId: logAnalyticsWorkspaceId
    logs: [
      for category in template.diagnostics.categories: {
        category: category
        enabled: true
      }
    ]
  }
  dependsOn: [
    auditing
  ]
}

output name string = server.name
