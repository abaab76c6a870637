import { createHash } from 'node:crypto';
import { type RegisteredApp } from '../identity/client-credentials';
import { type Secrets } from './secrets';

/** The service principal that deploys to Databricks, the same in every run of one cloud. */
export function deployerOf({ systemKey }: Secrets): RegisteredApp {
  return {
    clientId: '00000000-0000-4000-8000-0000000000d1',
    objectId: '00000000-0000-4000-8000-0000000000d2',
    clientSecret: createHash('sha256').update(`deployer ${systemKey}`).digest('base64url'),
  };
}
