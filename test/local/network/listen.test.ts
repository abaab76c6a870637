import { createServer, get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { mkdtempSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { ensureCertificates } from '../../../local/certificates/certificates';
import { listen, type Listener } from '../../../local/network/listen';

describe('one port for several protocols', () => {
  let listener: Listener;
  let ca: string;

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'listen-'));
    const certificates = await ensureCertificates(folder, ['localhost'], new Date());
    ca = readFileSync(certificates.caFile, 'utf8');
    const http = createServer((request, response) => response.end(`http ${request.url}`));
    const amqp = (socket: Socket): void => {
      socket.once('data', (bytes) => socket.end(`amqp ${bytes.toString()}`));
    };
    listener = await listen({ port: 0, http, amqp, tls: certificates });
  });
  afterAll(() => listener.close());

  const read = (socket: Socket): Promise<string> =>
    new Promise((resolve, reject) => {
      let text = '';
      socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });

  it('speaks plain HTTP', async () => {
    const text = await new Promise((resolve) =>
      httpGet({ host: '127.0.0.1', port: listener.port, path: '/a', agent: false }, (response) =>
        response.on('data', (bytes: Buffer) => resolve(bytes.toString())),
      ),
    );
    expect(text).toBe('http /a');
  });

  it('speaks HTTP in TLS, trusted by the authority file', async () => {
    const text = await new Promise((resolve, reject) =>
      httpsGet({ host: 'localhost', port: listener.port, path: '/b', ca, agent: false }, (response) =>
        response.on('data', (bytes: Buffer) => resolve(bytes.toString())),
      ).on('error', reject),
    );
    expect(text).toBe('http /b');
  });

  it('hands AMQP over, plain and in TLS, with its first byte', async () => {
    const plain = connect(listener.port, '127.0.0.1');
    plain.write('AMQP!');
    expect(await read(plain)).toBe('amqp AMQP!');
    const secure = tlsConnect({ host: 'localhost', port: listener.port, ca });
    secure.write('AMQP?');
    expect(await read(secure)).toBe('amqp AMQP?');
  });

  it('says which port is taken', async () => {
    await expect(listen({ port: listener.port })).rejects.toThrow(`Port ${listener.port} is taken`);
  });
});
