import topology from '../../infra/topology.json';
import { type ActivityEntry } from '../arm/activity';
import { type WrittenBlob } from '../blobs/requests';
import { blobEvent, resourceEvent } from '../event-grid/azure-events';
import { filterSchema } from '../event-grid/filters';
import { type EventGrid } from '../event-grid/start';

/** Where the topics of Azure's own services are once everything runs. */
export interface TopicPlaces {
  eventGrid: Pick<EventGrid, 'emit' | 'subscribe'>;
  /** Of the app. */
  baseUrl: string;
  systemKey: string;
  resourceGroupId: string;
  /** Of the blob account. */
  blobEndpoint: string;
}

/**
 * The topics of the subscription and of the storage account, and the app's subscriptions to them, as `infra/events.bicep`
 * makes them: at the Event Grid trigger, with the same filters.
 */
export function createAzureTopics({ newId }: { newId: () => string }) {
  let places: TopicPlaces | null = null;
  /** What goes on from before a restart may end before the app runs. */
  const early: ((places: TopicPlaces) => void)[] = [];
  const tell = (what: (places: TopicPlaces) => void): void => {
    if (places === null) early.push(what);
    else what(places);
  };
  const account = ({ resourceGroupId, blobEndpoint }: TopicPlaces): string =>
    `${resourceGroupId}/providers/Microsoft.Storage/storageAccounts/${blobEndpoint.slice(blobEndpoint.lastIndexOf('/') + 1)}`;

  return {
    onActivity: (entry: ActivityEntry): void => tell(({ eventGrid }) => eventGrid.emit(resourceEvent(entry))),
    onWritten: (written: WrittenBlob): void =>
      tell((opened) => {
        const from = { topic: account(opened), endpoint: opened.blobEndpoint, id: newId() };
        opened.eventGrid.emit(blobEvent(written, from));
      }),
    /**
     * Subscribes the app, which has to run already. From then on, what happens is told.
     * @throws Error when the app does not agree
     */
    async open(opened: TopicPlaces): Promise<void> {
      const { eventGrid, baseUrl, systemKey, resourceGroupId } = opened;
      const url = `${baseUrl}/runtime/webhooks/eventgrid?functionName=receiveEvent&code=${encodeURIComponent(systemKey)}`;
      const subscription = resourceGroupId.split('/').slice(0, 3).join('/');
      for (const [name, topic] of [
        ['packages', account(opened)],
        ['resources', subscription],
      ] as const) {
        if (
          await eventGrid.subscribe({ name, url, topic, filter: filterSchema.parse(topology.eventGrid.filters[name]) })
        )
          continue;
        throw new Error(`The app did not agree to the Event Grid subscription "${name}".`);
      }
      places = opened;
      for (const what of early.splice(0)) what(opened);
    },
  };
}
