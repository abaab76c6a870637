import { createPrivateKey, generateKeyPairSync, randomBytes, randomUUID, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const stateSchema = z.object({
  privateKey: z.string(),
  tenantId: z.string(),
  /** The system-assigned identity of the app. */
  objectId: z.string(),
  clientId: z.string(),
  /** What the app has to send along: proof that the request comes from this machine's app, not through it. */
  header: z.string(),
});
export type IdentityState = Omit<z.infer<typeof stateSchema>, 'privateKey'> & { privateKey: KeyObject };

/** Identity must outlive a restart, or tokens and object ids in stored state would be worthless. `folder` null: a new one. */
export function loadIdentity(folder: string | null): IdentityState {
  const file = folder === null ? null : join(folder, 'identity.json');
  if (file !== null && existsSync(file)) return parsed(readFileSync(file, 'utf8'));
  const text = JSON.stringify({
    privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
    tenantId: randomUUID(),
    objectId: randomUUID(),
    clientId: randomUUID(),
    header: randomBytes(16).toString('hex'),
  });
  if (folder !== null && file !== null) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text, { mode: 0o600 });
  }
  return parsed(text);
}

function parsed(text: string): IdentityState {
  const { privateKey, ...rest } = stateSchema.parse(JSON.parse(text));
  return { ...rest, privateKey: createPrivateKey(privateKey) };
}
