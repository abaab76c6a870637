import { type Package } from '../../../lib/packages/model';

/** What every client gets. */
export interface ClientDeps {
  port: number;
  /** PEM of the authority that signed the server's certificate. */
  certificateAuthority: string;
  pkg: Package;
}

/** Builds database number `index` from login to close. @throws when anything was not as it should be. */
export type BuildOneDatabase = (index: number) => Promise<void>;
