import { createCapacityDemo, demoPolicy } from './demo/capacity-demo';
import { runDemo } from './demo/run-demo';

// The same settings as in Azure, with thresholds that a handful of databases reach.
process.env.SQLFLEET_CAPACITY_POLICY = JSON.stringify(demoPolicy);
process.env.SQLFLEET_CAPACITY_SCHEDULE = '*/2 * * * * *';

/** `npm run demo:capacity`: a region that never runs out of SQL servers, on the embedded cloud. */
void runDemo({
  name: 'capacity',
  intro: 'Starting the embedded cloud, with Azure Resource Manager ...',
  outro: 'Everything that was started is gone. How it decides: docs/capacity.md',
  options: { servers: 1, databases: 4 },
  run: ({ endpoints }) => createCapacityDemo({ endpoints, say: (text) => console.log(text) }).run(),
});
