import { join } from 'node:path';
import { createApiClient } from './api-client';
import { createClusterDemo } from './demo/clusters';
import { runDemo } from './demo/run-demo';
import { startWorkerProcess, type WorkerProcess } from './demo/worker-process';

const workers: WorkerProcess[] = [];

/** `npm run demo:clusters`: build clusters on the embedded cloud, start to end. */
void runDemo({
  name: 'clusters',
  intro: 'Starting the embedded cloud ...\n',
  outro: 'All of it was checked.',
  options: { servers: 2, databases: 12 },
  run: ({ endpoints }, state) =>
    createClusterDemo({
      api: createApiClient(endpoints.http),
      endpoints,
      say: (text) => console.log(text),
      keyFile: join(state, 'worker-key.json'),
      startWorker(name, keyFile) {
        const entry = join(__dirname, 'sqlfleet.js');
        const worker = startWorkerProcess({ entry, endpoints, cluster: 'contoso-east', keyFile, name, concurrency: 3 });
        workers.push(worker);
        return worker;
      },
    }).run(),
  async stop() {
    for (const worker of workers) if (worker.process.exitCode === null) await worker.kill();
  },
}).finally(() => process.exit());
