import { Agent, request } from 'node:https';

/** `fetch` that trusts one certificate authority: Node's own reads its trust once, when the process starts. */
export function createTrustingFetch(ca: string): typeof fetch {
  const agent = new Agent({ ca, keepAlive: true });
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const { method = 'GET', body } = init;
    const headers = Object.fromEntries(new Headers(init.headers));
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, headers, agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const answer = new Headers();
          for (const [name, value] of Object.entries(response.headers)) answer.set(name, String(value));
          resolve(new Response(Buffer.concat(chunks), { status: response.statusCode ?? 500, headers: answer }));
        });
      });
      sent.on('error', reject);
      sent.end(typeof body === 'string' ? body : undefined);
    });
  };
}
