import { z } from 'zod';
import serverTemplate from '../../infra/sql-server-template.json';
import { type BuildServices } from '../builds/services';
import { type TemplateBuilds } from '../capacity/databases';
import { type Policy, policySchema } from '../capacity/policy';
import { type ServerTemplate, templateSchema } from '../capacity/schema';
import { type CapacityServices, createCapacityServices } from '../capacity/services';
import { createAzureCounts } from './azure-counts';
import { createAzureMetrics } from './azure-monitor';
import { createAzureSql } from './azure-sql';
import { createAzureTickets } from './azure-tickets';
import { AppError, messageOf } from './errors';
import { type PlatformParts } from './platform-parts';
import { type Settings } from './settings';

/** Puts the capacity capability together; null where no subscription is configured. */
export function composeCapacity(parts: PlatformParts, builds: BuildServices): CapacityServices | null {
  const { settings, clock } = parts;
  const subscriptionId = settings.SQLFLEET_CAPACITY_SUBSCRIPTION;
  if (subscriptionId === undefined) return null;
  const endpoint = settings.SQLFLEET_ARM_ENDPOINT?.replace(/\/$/, '');
  const azure = {
    credential: parts.clients.credential,
    subscriptionId,
    ...(endpoint === undefined ? {} : { endpoint }),
  };
  return createCapacityServices({
    documents: { sqlServers: parts.documents('sqlServers'), capacity: parts.documents('capacity') },
    azure: createAzureSql(azure),
    counts: createAzureCounts({ ...azure, fetch, clock, random: parts.random }),
    heat: createAzureMetrics({ ...azure, nowMs: () => clock.nowMs() }),
    tickets: createAzureTickets({ ...azure, fetch }),
    builds: templateBuilds(builds),
    events: parts.fleetEvents,
    audit: parts.audit,
    leases: parts.leases,
    policy: readPolicy(settings.SQLFLEET_CAPACITY_POLICY),
    template: readTemplate(settings),
    environment: settings.SQLFLEET_CAPACITY_ENVIRONMENT ?? '',
    resourceGroup: settings.SQLFLEET_CAPACITY_RESOURCE_GROUP ?? '',
    regions: settings.SQLFLEET_CAPACITY_REGIONS,
    pollIntervalMs: settings.SQLFLEET_CAPACITY_POLL_MS,
    clock,
    random: parts.random,
    newId: parts.newId,
    logger: parts.logger,
  });
}

/** @throws AppError `settings.invalid` with every problem: thresholds in the wrong order must not be found at 3 a.m. */
export function readPolicy(text: string): Policy {
  const problems: string[] = [];
  try {
    const result = policySchema.safeParse(JSON.parse(text));
    if (result.success) return result.data;
    problems.push(...result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`));
  } catch (error) {
    problems.push(`it is not JSON: ${messageOf(error)}`);
  }
  throw unusable('SQLFLEET_CAPACITY_POLICY', problems);
}

/** The server template with its placeholders filled in from the settings. */
function readTemplate(settings: Settings): ServerTemplate {
  const values: Record<string, string | undefined> = {
    environment: settings.SQLFLEET_CAPACITY_ENVIRONMENT,
    tenantId: settings.SQLFLEET_CAPACITY_TENANT,
    adminGroupName: settings.SQLFLEET_CAPACITY_ADMIN_GROUP,
    adminGroupObjectId: settings.SQLFLEET_CAPACITY_ADMIN_GROUP_ID,
    logAnalyticsWorkspaceId: settings.SQLFLEET_CAPACITY_LOG_ANALYTICS,
  };
  const { diagnostics, ...rest } = serverTemplate;
  const template = { ...rest, diagnostics: values['logAnalyticsWorkspaceId'] === undefined ? null : diagnostics };
  const filled = JSON.stringify(template, (_key, value: unknown) =>
    typeof value === 'string' ? value.replace(/\$\{(\w+)\}/g, (_all, name: string) => values[name] ?? '') : value,
  );
  const result = templateSchema.safeParse(JSON.parse(filled));
  if (result.success) return result.data;
  throw unusable(
    'infra/sql-server-template.json',
    result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`),
  );
}

function unusable(what: string, problems: string[]): AppError {
  return new AppError('settings.invalid', `${what} is not usable:\n  ${problems.join('\n  ')}`, {
    details: { problems },
  });
}

const goingOn = z.enum(['validating', 'running', 'paused']);

/** A template package is an ordinary build of one target. */
function templateBuilds({ submit, readUpload, builds }: BuildServices): TemplateBuilds {
  return {
    async start({ server, database, package: name, key, actor }, orchestrations) {
      const bytes = await readUpload(name);
      if (bytes === null) {
        throw new AppError('capacity.packageNotFound', `The container "packages" has no blob "${name}".`, {
          status: 422,
        });
      }
      const { build } = await submit(
        {
          packageFiles: [{ name, bytes }],
          targets: Buffer.from(`${server}:${database}\n`),
          options: { name: `template of ${database}`.slice(0, 100), description: `new database ${database}` },
          idempotencyKey: key,
          signedInActor: actor,
        },
        orchestrations,
      );
      return build.buildId;
    },
    async state(buildId) {
      const build = await builds.find(buildId);
      if (build === null) return 'failed';
      if (goingOn.safeParse(build.state).success) return 'running';
      return build.state === 'succeeded' ? 'succeeded' : 'failed';
    },
  };
}
