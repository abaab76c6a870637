/** A domain that exists nowhere. */
export const serverSuffix = '.database.localhost';

/** Names for which the embedded cloud has a certificate: servers that are created later, too. */
export function certificateNames(servers: number): string[] {
  return ['localhost', `*${serverSuffix}`, ...sqlServerNames(servers)];
}

/** Names of the logical servers, in the form that Azure gives them, below a domain that exists nowhere. */
export function sqlServerNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `fleet-${index + 1}${serverSuffix}`);
}

export function databaseNames(count: number): string[] {
  const width = Math.max(3, String(count).length);
  return Array.from({ length: count }, (_, index) => `tenant${String(index + 1).padStart(width, '0')}`);
}
