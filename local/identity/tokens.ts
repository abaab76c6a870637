export interface Principal {
  objectId: string;
  clientId: string;
  tenantId: string;
  audience: string;
  expiresAtMs: number;
}
export type VerifyToken = (token: string, audience?: string) => Principal | null;
