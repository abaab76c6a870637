import { MonitorClient } from '@azure/arm-monitor';
import { type TokenCredential } from '@azure/identity';
import { azureError } from './azure-errors';
import { impatience, retryOptions } from './azure-patience';

/** How hot a database or pool is: the highest of its percentages, averaged over a while. Null: Azure has no number. */
export interface AzureMetrics {
  heatPercent(resourceId: string): Promise<number | null>;
}

const metricNames = ['cpu_percent', 'dtu_consumption_percent', 'storage_percent', 'workers_percent'];
/** Not every SKU has every metric, and Azure refuses a request that names one that is lacking. */
const perModel = [
  ['cpu_percent', 'storage_percent', 'workers_percent'],
  ['dtu_consumption_percent', 'storage_percent', 'workers_percent'],
];
const timespanMs = 3_600_000;

/** One request per resource, two where the first named metrics that the resource does not have. */
export function createAzureMetrics(deps: {
  credential: TokenCredential;
  subscriptionId: string;
  endpoint?: string;
  clientOptions?: object;
  nowMs: () => number;
}): AzureMetrics {
  const client = new MonitorClient(deps.credential, deps.subscriptionId, {
    ...(deps.endpoint === undefined ? {} : { endpoint: deps.endpoint }),
    retryOptions,
    additionalPolicies: [impatience],
    ...deps.clientOptions,
  });
  const ask = async (resourceId: string, names: readonly string[]): Promise<number | null> => {
    const to = new Date(deps.nowMs());
    const from = new Date(deps.nowMs() - timespanMs);
    const { value } = await client.metrics.list(resourceId, {
      timespan: `${from.toISOString()}/${to.toISOString()}`,
      interval: 'PT5M',
      metricnames: names.join(','),
      aggregation: 'Average',
    });
    const averages = value
      .filter(({ name }) => metricNames.includes(name.value))
      .flatMap(({ timeseries }) => {
        const known = timeseries.flatMap(({ data = [] }) => data.flatMap(({ average }) => average ?? []));
        return known.length === 0 ? [] : [known.reduce((sum, each) => sum + each, 0) / known.length];
      });
    return averages.length === 0 ? null : Math.max(...averages);
  };
  return {
    async heatPercent(resourceId) {
      const [vCores = [], dtus = []] = perModel;
      try {
        return await ask(resourceId, vCores).catch((error: unknown) => {
          const refused = typeof error === 'object' && error !== null && Reflect.get(error, 'statusCode') === 400;
          if (refused) return ask(resourceId, dtus);
          throw error;
        });
      } catch (error) {
        throw azureError(error, `show the metrics of ${resourceId}`);
      }
    },
  };
}
