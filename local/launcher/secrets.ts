import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const secretsSchema = z.object({
  functionKey: z.string(),
  masterKey: z.string(),
  systemKey: z.string(),
  messagingKey: z.string(),
  sqlPassword: z.string(),
  eventTopicKey: z.string(),
  eventWebhookKey: z.string(),
});
/** Keys of one embedded cloud: made once, kept in its state folder, useless anywhere else. */
export type Secrets = z.infer<typeof secretsSchema>;

export function ensureSecrets(stateFolder: string): Secrets {
  const file = join(stateFolder, 'secrets.json');
  const known = existsSync(file) ? secretsSchema.partial().parse(JSON.parse(readFileSync(file, 'utf8'))) : {};
  const secrets: Secrets = {
    functionKey: randomBytes(32).toString('base64url'),
    masterKey: randomBytes(32).toString('base64url'),
    systemKey: randomBytes(32).toString('base64url'),
    messagingKey: randomBytes(32).toString('base64'),
    // SQL Server wants three kinds of characters in a password.
    sqlPassword: `Sf1-${randomBytes(18).toString('base64url')}`,
    eventTopicKey: randomBytes(32).toString('base64'),
    eventWebhookKey: randomBytes(32).toString('base64url'),
    // What a state folder has stays as it is; one from before a key was needed gets that one.
    ...known,
  };
  writeFileSync(file, JSON.stringify(secrets, null, 2), { mode: 0o600 });
  return secrets;
}
