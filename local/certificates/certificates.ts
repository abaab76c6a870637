import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a TLS server of the embedded cloud presents, and the file that clients have to trust. */
export interface Certificates {
  key: string;
  cert: string;
  /** PEM of the authority: for `NODE_EXTRA_CA_CERTS` and for outside clients. */
  caFile: string;
}

const validityYears = 5;

/**
 * Loads the certificates in `folder`, or makes them: an authority of this machine alone and one leaf for all stand-ins.
 * Elliptic curve keys, because a login to a database is a TLS handshake and an RSA one costs several times as much.
 */
export async function ensureCertificates(
  folder: string,
  hostNames: readonly string[],
  now: Date,
): Promise<Certificates> {
  const caFile = join(folder, 'ca.pem');
  const keyFile = join(folder, 'server.key');
  const certFile = join(folder, 'server.pem');
  if ([caFile, keyFile, certFile].every((file) => existsSync(file))) {
    const cert = readFileSync(certFile, 'utf8');
    if (covers(cert, hostNames, now)) return { key: readFileSync(keyFile, 'utf8'), cert, caFile };
  }

  // Loaded only when needed: it takes half a second, and certificates are made once.
  const { generate } = await import('selfsigned');
  const notAfterDate = new Date(now);
  notAfterDate.setFullYear(notAfterDate.getFullYear() + validityYears);
  const common = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256', notBeforeDate: now, notAfterDate } as const;
  const authority = await generate([{ name: 'commonName', value: 'Sqlfleet embedded cloud' }], {
    ...common,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const leaf = await generate([{ name: 'commonName', value: 'localhost' }], {
    ...common,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...hostNames.map((value) => ({ type: 2 as const, value })),
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  });

  mkdirSync(folder, { recursive: true });
  writeFileSync(caFile, authority.cert);
  writeFileSync(keyFile, leaf.private, { mode: 0o600 });
  writeFileSync(certFile, leaf.cert);
  return { key: leaf.private, cert: leaf.cert, caFile };
}

function covers(pem: string, hostNames: readonly string[], now: Date): boolean {
  const certificate = new X509Certificate(pem);
  const valid = new Date(certificate.validFrom) <= now && now < new Date(certificate.validTo);
  // A name with a wildcard is covered when any name below it is.
  return valid && hostNames.every((name) => certificate.checkHost(name.replace('*', 'any')) !== undefined);
}
