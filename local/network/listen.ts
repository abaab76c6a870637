import { type Server as HttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

export interface ListenOptions {
  /** 0 picks a free port. */
  port: number;
  /** Receives connections that begin with an HTTP request; it must not listen itself. */
  http?: HttpServer;
  /** Receives connections that begin with the AMQP header. */
  amqp?: (socket: Socket) => void;
  /** Given: the same port also speaks all of the above inside TLS. */
  tls?: { key: string; cert: string };
}

export interface Listener {
  port: number;
  /** Closes the port and every connection. */
  close(): Promise<void>;
  /** Destroys the open connections and keeps listening: a network fault on demand. */
  dropConnections(): void;
}

const tlsHandshakeRecord = 0x16;
const amqpHeaderFirstByte = 0x41; // 'A' of "AMQP"; no HTTP method that SDKs use begins with it

/**
 * One loopback port for several protocols, told apart by their first byte. So a connection string works unchanged whether
 * the client insists on TLS (bearer tokens, the Service Bus management client) or was told to go without it.
 *
 * @throws Error naming the port when it is taken.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const secureContext = options.tls && createSecureContext({ ...options.tls, minVersion: 'TLSv1.2' });
  const sockets = new Set<Socket>();

  const route = (socket: Socket): void => {
    socket.once('error', () => socket.destroy());
    socket.once('readable', () => {
      const head: unknown = socket.read();
      if (!Buffer.isBuffer(head)) return;
      socket.unshift(head);
      if (head[0] === tlsHandshakeRecord && secureContext !== undefined && !(socket instanceof TLSSocket)) {
        const inner = new TLSSocket(socket, { isServer: true, secureContext });
        route(inner);
      } else if (head[0] === amqpHeaderFirstByte && options.amqp !== undefined) {
        options.amqp(socket);
      } else if (options.http !== undefined) {
        options.http.emit('connection', socket);
      } else {
        socket.destroy();
      }
    });
  };

  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    route(socket);
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`Port ${options.port} is taken. Stop what listens there, or choose another port.`, {
              cause: error,
            })
          : error,
      ),
    );
    server.listen(options.port, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('the listener has no port'));
      else resolve(address.port);
    });
  });

  const dropConnections = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    dropConnections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        dropConnections();
      }),
  };
}
