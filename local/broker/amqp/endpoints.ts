import { type Counters } from '../core/counters';
import { type Deadlines } from '../core/deadlines';
import { type EventHubs } from '../core/event-hubs';
import { BrokerError, conditions } from '../core/errors';
import { type Namespace } from '../core/namespace';
import { type TokenChecker } from '../tokens';
import { createTokenHandler } from './cbs';
import { createReceiveLink, createSendLink } from './entity-links';
import { createEventHubManagementHandler, createEventReceiveLink, createEventSendLink } from './event-hub-links';
import { type IncomingHandler, type OutgoingHandler } from './links';
import { createManagementHandler } from './management';
import { accepted } from './outcomes';
import { createRequestEndpoint } from './request-response';
import { type Endpoints } from './server';

export interface EndpointsDeps {
  namespace: Namespace;
  eventHubs: EventHubs;
  tokens: TokenChecker;
  deadlines: Deadlines;
  counters: Counters;
  newId: () => string;
}

const eventHubManagement = '$management';
const entityManagement = '/$management';
/** As large as the services take in their standard tiers, so that what works here works there. */
const maxMessageBytes = 256 * 1024;
const maxEventBytes = 1024 * 1024;

/** What each address stands for. */
export function createEndpoints(deps: EndpointsDeps): Endpoints {
  const { namespace, eventHubs, tokens, deadlines, counters, newId } = deps;

  return {
    maxMessageBytes: (address) => (eventHubs.find(splitPartition(address).name) ? maxEventBytes : maxMessageBytes),
    openIncoming(address, link, connection) {
      const { session } = link;
      if (address === '$cbs') {
        const handle = createTokenHandler(tokens, connection.grants, ({ untilMs }) =>
          deadlines.schedule(untilMs, () => connection.expire()),
        );
        return createRequestEndpoint(address, address, 'authenticate', session, handle);
      }
      if (address === eventHubManagement) {
        const handle = createEventHubManagementHandler(eventHubs, connection);
        return createRequestEndpoint(address, address, 'request', session, handle);
      }
      if (address.endsWith(entityManagement)) {
        const path = address.slice(0, -entityManagement.length);
        const handle = createManagementHandler({ namespace, path, connection, newMessageId: newId });
        return createRequestEndpoint(path, address, 'request', session, handle);
      }
      connection.authorize(address, 'Send');
      const { name, partitionId } = splitPartition(address);
      const hub = eventHubs.find(name);
      if (hub !== undefined) return createEventSendLink(hub.settings.name, hub, partitionId);
      return stillAllowed(createSendLink(address, namespace.intakeOf(address), newId), () =>
        connection.authorize(address, 'Send'),
      );
    },
    openOutgoing(address, link, connection) {
      if (address === '$cbs' || address === eventHubManagement || address.endsWith(entityManagement)) {
        return replyLink(address);
      }
      connection.authorize(address, 'Listen');
      const reader = /^(.+)\/ConsumerGroups\/([^/]+)\/Partitions\/([^/]+)$/i.exec(address);
      if (reader === null) return createReceiveLink(address, namespace.mailboxOf(address), link, deadlines);
      const [, name = '', group = '', partitionId = ''] = reader;
      const hub = eventHubs.find(name);
      if (hub === undefined) {
        throw new BrokerError(conditions.notFound, `The messaging entity '${name}' could not be found.`);
      }
      return createEventReceiveLink(hub.settings.name, hub, group, partitionId, link, counters.of(hub.settings.name));
    },
  };
}

/** A sender whose token has ended sends no more. */
function stillAllowed(link: IncomingHandler, authorize: () => void): IncomingHandler {
  return {
    path: link.path,
    receive(bytes, isBatch) {
      const deed = link.receive(bytes, isBatch);
      return {
        ...deed,
        perform() {
          authorize();
          deed.perform();
        },
      };
    },
  };
}

/** `hub/Partitions/3` as its parts; anything else is a name. */
function splitPartition(address: string): { name: string; partitionId: string | null } {
  const [, name, partitionId] = /^(.+)\/Partitions\/([^/]+)$/i.exec(address) ?? [];
  return { name: name ?? address, partitionId: partitionId ?? null };
}

/** The receiving half of a request-response pair; the sending half finds it when it has something to say. */
function replyLink(path: string): OutgoingHandler {
  return { path, flow: () => undefined, settle: () => accepted(), closed: () => undefined };
}
