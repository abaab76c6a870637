import { type Deadlines } from '../core/deadlines';
import { type Namespace } from '../core/namespace';
import { type TokenChecker } from '../tokens';
import { createTokenHandler } from './cbs';
import { createManagementHandler } from './management';
import { createReceiveLink, createSendLink } from './entity-links';
import { type OutgoingHandler } from './links';
import { accepted } from './outcomes';
import { createRequestEndpoint } from './request-response';
import { type Endpoints } from './server';

export interface EndpointsDeps {
  namespace: Namespace;
  tokens: TokenChecker;
  deadlines: Deadlines;
  newId: () => string;
}

const managementSuffix = '/$management';

/** What each address stands for. */
export function createEndpoints(deps: EndpointsDeps): Endpoints {
  const { namespace, tokens, deadlines, newId } = deps;

  return {
    openIncoming(address, link, connection) {
      if (address === '$cbs') {
        const handle = createTokenHandler(tokens, connection.grants);
        return createRequestEndpoint(address, address, 'authenticate', link.session, handle);
      }
      if (address.endsWith(managementSuffix)) {
        const path = address.slice(0, -managementSuffix.length);
        const handle = createManagementHandler({ namespace, path, connection, newMessageId: newId });
        return createRequestEndpoint(path, address, 'request', link.session, handle);
      }
      connection.authorize(address, 'Send');
      return createSendLink(address, namespace.intakeOf(address), newId);
    },
    openOutgoing(address, link, connection) {
      if (address === '$cbs' || address.endsWith(managementSuffix)) return replyLink(address);
      connection.authorize(address, 'Listen');
      return createReceiveLink(address, namespace.mailboxOf(address), link, deadlines);
    },
  };
}

/** The receiving half of a request-response pair; the sending half finds it when it has something to say. */
function replyLink(path: string): OutgoingHandler {
  return { path, flow: () => undefined, settle: () => accepted(), closed: () => undefined };
}
