import { createApiClient } from './api-client';
import { createEventsDemo } from './demo/events-demo';
import { runDemo } from './demo/run-demo';

/** `npm run demo:events`: what happens in Azure starts the right thing, and what is forged starts nothing. */
void runDemo({
  name: 'events',
  intro: 'Starting the embedded cloud, Event Grid included ...',
  outro: 'Everything was as it was said. docs/events.md tells how to set it up in Azure.',
  options: { servers: 2, databases: 3 },
  run: ({ endpoints }) =>
    createEventsDemo({ endpoints, api: createApiClient(endpoints.http), say: (text) => console.log(text) }).run(),
});
