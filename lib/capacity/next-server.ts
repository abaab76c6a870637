import { type Clock } from '../platform/clock';
import { requestedServer } from './documents';
import { nextOrdinal, serverName } from './model';
import { type Server, type ServerTemplate } from './schema';
import { type ServerStore } from './server-store';

export function createRequestServer(deps: {
  servers: ServerStore;
  template: ServerTemplate;
  environment: string;
  resourceGroup: string;
  clock: Clock;
}) {
  const { servers, template } = deps;

  /**
   * The document of the next server. Its name follows from the highest ordinal that was ever seen, so two monitors that decide
   * from the same facts decide for the same name, and the second finds that the document exists: then it has been decided.
   * A server that could not be created before is asked for once more instead, so that failures use up no names.
   */
  return async (
    region: string,
    documents: readonly Server[],
    /** Names of servers and of documents that cannot be read. */
    otherNames: readonly string[],
    reason: string,
    fence: number,
  ): Promise<string | null> => {
    const failed = documents.find(
      ({ state, origin, creation }) =>
        state === 'failed' && origin === 'provisioned' && creation.failure?.class !== 'name',
    );
    const names = [...documents.map(({ name }) => name), ...otherNames];
    const ordinal = nextOrdinal(names, deps.environment, region);
    const document = requestedServer({
      name: failed?.name ?? serverName(deps.environment, region, ordinal),
      region,
      resourceGroup: deps.resourceGroup,
      tags: template.tags,
      templateVersion: template.version,
      fence,
      reason,
      at: new Date(deps.clock.nowMs()).toISOString(),
    });
    if (failed === undefined) return (await servers.create(document)) === 'created' ? document.name : null;
    const again = await servers.update(
      region,
      failed.name,
      (current) => (current.state === 'failed' ? document : null),
      { fence },
    );
    return again === 'fenced' || again === 'missing' ? null : document.name;
  };
}
