import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { messageOf } from '../../lib/platform/errors';
import { listen } from '../network/listen';

/** One part of the cloud as tests and benchmarks control it from outside. */
export interface ControlledPart {
  /** Replaces the faults that wait to strike. @throws when one is not understood. */
  setFaults?: (faults: unknown[]) => void;
  /** Faults that have not struck as often as they may. */
  waitingFaults?: () => unknown[];
  /** Mishaps that happen at once, by name; each is given the body of the request as JSON, and what it returns is answered. */
  actions?: Record<string, (input: unknown) => unknown>;
  counters?: () => unknown;
  resetCounters?: () => void;
}

export interface Control {
  url: string;
  stop(): Promise<void>;
}

const faultsSchema = z.array(z.unknown());

/**
 * Faults and counters over HTTP, for whoever runs the cloud in another process: `PUT /faults/<part>` with a JSON list
 * (an empty one clears), `GET /faults/<part>` for those still waiting, `POST /actions/<part>/<action>`, `GET /counters`,
 * `DELETE /counters`.
 */
export async function startControl(parts: Record<string, ControlledPart>): Promise<Control> {
  const handle = async (request: IncomingMessage): Promise<unknown> => {
    const [, subject, name = '', action = ''] = (request.url ?? '').split('/');
    const place = `${request.method} ${subject}`;
    if (place === 'GET counters') {
      return Object.fromEntries(Object.entries(parts).map(([part, { counters }]) => [part, counters?.() ?? null]));
    }
    if (place === 'DELETE counters') {
      for (const part of Object.values(parts)) part.resetCounters?.();
      return {};
    }
    const part = parts[name];
    if (place === 'PUT faults' && part?.setFaults !== undefined) {
      part.setFaults(faultsSchema.parse(JSON.parse(await text(request))));
      return {};
    }
    if (place === 'GET faults' && part?.waitingFaults !== undefined) return part.waitingFaults();
    const act = part?.actions?.[action];
    if (place === 'POST actions' && act !== undefined) {
      const body = await text(request);
      return (await act(body === '' ? {} : JSON.parse(body))) ?? {};
    }
    throw new Error(`there is no ${request.method} ${request.url}; the parts are ${Object.keys(parts).join(', ')}`);
  };
  const answer = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body, textOfBigInt));
  };
  const http = createServer((request, response) => {
    handle(request).then(
      (body) => answer(response, 200, body),
      (error: unknown) => answer(response, 400, { error: messageOf(error) }),
    );
  });
  const listener = await listen({ port: 0, http });
  return { url: `http://127.0.0.1:${listener.port}`, stop: () => listener.close() };
}

function textOfBigInt(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
