import { type ServiceRequest, pathSegments } from '../network/http-service';
import { unsupported } from '../network/service-error';
import { type SignedResource } from './authorization';

/** What a request asks for. The names are also those by which faults are planted. */
export type DocumentOperation =
  | 'readAccount'
  | 'createDatabase'
  | 'listDatabases'
  | 'readDatabase'
  | 'deleteDatabase'
  | 'createContainer'
  | 'listContainers'
  | 'readContainer'
  | 'replaceContainer'
  | 'deleteContainer'
  | 'readPartitionKeyRanges'
  | 'createItem'
  | 'upsertItem'
  | 'readItem'
  | 'replaceItem'
  | 'patchItem'
  | 'deleteItem'
  | 'batch'
  | 'bulk'
  | 'query'
  | 'queryPlan'
  | 'changeFeed';

export interface Target {
  operation: DocumentOperation;
  database: string;
  container: string;
  item: string;
}

/** Finds out what a request asks for. @throws ServiceError 501 naming the call when it is not supported. */
export function identify(request: ServiceRequest): Target {
  const [dbs = '', database = '', colls = '', container = '', kind = '', item = '', ...rest] = pathSegments(
    request.path,
  );
  const shape = [dbs, database && '*', colls, container && '*', kind, item && '*', ...rest].filter(
    (part) => part !== '',
  );
  const call = `${request.method} /${shape.join('/')}`;
  const operation = call === 'POST /dbs/*/colls/*/docs' ? postToDocuments(request) : routes[call];
  if (operation === undefined || (operation === 'changeFeed' && request.headers['a-im'] === undefined)) {
    throw unsupported(`the Cosmos DB call ${request.method} ${request.path}`);
  }
  if (isQuery(request) && operation !== 'query' && operation !== 'queryPlan')
    throw unsupported('queries for databases and containers');
  return { operation, database, container, item };
}

const routes: Readonly<Record<string, DocumentOperation>> = {
  'GET /': 'readAccount',
  'POST /dbs': 'createDatabase',
  'GET /dbs': 'listDatabases',
  'GET /dbs/*': 'readDatabase',
  'DELETE /dbs/*': 'deleteDatabase',
  'POST /dbs/*/colls': 'createContainer',
  'GET /dbs/*/colls': 'listContainers',
  'GET /dbs/*/colls/*': 'readContainer',
  'PUT /dbs/*/colls/*': 'replaceContainer',
  'DELETE /dbs/*/colls/*': 'deleteContainer',
  'GET /dbs/*/colls/*/pkranges': 'readPartitionKeyRanges',
  'GET /dbs/*/colls/*/docs': 'changeFeed',
  'GET /dbs/*/colls/*/docs/*': 'readItem',
  'PUT /dbs/*/colls/*/docs/*': 'replaceItem',
  'PATCH /dbs/*/colls/*/docs/*': 'patchItem',
  'DELETE /dbs/*/colls/*/docs/*': 'deleteItem',
};

function postToDocuments(request: ServiceRequest): DocumentOperation {
  const { headers } = request;
  if (isTrue(headers['x-ms-cosmos-is-query-plan-request'])) return 'queryPlan';
  if (isQuery(request)) return 'query';
  if (isTrue(headers['x-ms-cosmos-is-batch-request']))
    return isTrue(headers['x-ms-cosmos-batch-atomic']) ? 'batch' : 'bulk';
  return isTrue(headers['x-ms-documentdb-is-upsert']) ? 'upsertItem' : 'createItem';
}

/** The resource that the signature of a request covers: an existing resource itself, or the parent of a list. */
export function signedResource(path: string): SignedResource {
  const segments = pathSegments(path);
  const isList = segments.length % 2 === 1;
  return {
    type: (isList ? segments.at(-1) : segments.at(-2)) ?? '',
    link: (isList ? segments.slice(0, -1) : segments).join('/'),
  };
}

function isQuery({ headers }: ServiceRequest): boolean {
  return isTrue(headers['x-ms-documentdb-isquery']);
}

function isTrue(header: string | undefined): boolean {
  return header?.toLowerCase() === 'true';
}
