import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createApiClient, type UploadedFile } from './api-client';
import { createDemo } from './demo/demo';
import { type Output } from './demo/progress-bar';
import { runDemo } from './demo/run-demo';

function readExample(name: string): UploadedFile[] {
  const folder = join('examples', name);
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .map((file) => ({ name: basename(file), bytes: readFileSync(join(folder, file)) }));
}

const output: Output = {
  write: (text) => void process.stdout.write(text),
  isTerminal: process.stdout.isTTY,
  columns: process.stdout.columns || 120,
};

/** `npm run demo`: the main job on the embedded cloud, start to end. */
void runDemo({
  name: 'builds',
  intro: 'Starting the embedded cloud: Functions host, Durable, Service Bus, Event Hubs, Cosmos DB, blobs, SQL ...',
  outro: 'Everything that was started is gone. To keep a cloud running and build your own packages: npm start',
  options: { servers: 2, databases: 20 },
  run: ({ endpoints, startMs }) =>
    createDemo({
      ...{ endpoints, output },
      api: createApiClient(endpoints.http),
      nowMs: () => Date.now(),
      readPackage: readExample,
    }).run(startMs),
});
