import { ResourceManagementClient } from '@azure/arm-resources';
import { type TokenCredential } from '@azure/identity';
import { z } from 'zod';
import { AppError } from './errors';

/** What deployments of Azure Resource Manager put out. */
export interface ArmDeployments {
  /**
   * null: there is no such deployment any more.
   * @throws AppError `arm.notADeployment` (422), `arm.forbidden`, `arm.unavailable` (503)
   */
  outputs(deploymentId: string): Promise<Record<string, unknown> | null>;
}

const deploymentId =
  /^(\/subscriptions\/[^/]+(?:\/resourceGroups\/[^/]+)?)\/providers\/Microsoft\.Resources\/deployments\/([^/]+)$/i;
const outputsSchema = z.record(z.string(), z.object({ value: z.unknown() })).default({});

export function createArmDeployments(credential: TokenCredential, endpoint: string | undefined): ArmDeployments {
  return {
    async outputs(id) {
      const [, scope, name] = deploymentId.exec(id) ?? [];
      if (scope === undefined || name === undefined) {
        throw new AppError('arm.notADeployment', `${id} is not the id of a deployment.`, { status: 422 });
      }
      const subscriptionId = scope.split('/')[2] ?? '';
      const client = new ResourceManagementClient(
        credential,
        subscriptionId,
        endpoint === undefined ? {} : { endpoint },
      );
      try {
        const deployment = await client.deployments.getAtScope(scope.slice(1), name);
        const outputs = outputsSchema.parse(deployment.properties?.outputs ?? {});
        return Object.fromEntries(Object.entries(outputs).map(([output, { value }]) => [output, value]));
      } catch (error) {
        const status = statusOf(error);
        if (status === 404) return null;
        throw mapped(error, status);
      }
    },
  };
}

function statusOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
}

function mapped(error: unknown, status: unknown): AppError {
  if (status === 401 || status === 403) {
    const message = 'Azure Resource Manager refused the app to read the deployment. Give its identity the role Reader.';
    return new AppError('arm.forbidden', message, { cause: error });
  }
  return new AppError('arm.unavailable', `Azure Resource Manager could not be asked (${String(status)}). Try again.`, {
    status: 503,
    retry: { kind: 'backoff' },
    cause: error,
  });
}
