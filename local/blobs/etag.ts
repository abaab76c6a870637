/** The ETag of a blob or container: its version in the form that the service uses. */
export function etagOf({ version }: { version: number }): string {
  return `"0x${version.toString(16).toUpperCase().padStart(15, '0')}"`;
}
