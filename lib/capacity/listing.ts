import { type ArmServer, type AzureSql } from '../platform/azure-sql';
import { type Clock } from '../platform/clock';
import { messageOf } from '../platform/errors';
import { type Known, type Observe } from './observe';
import { type Policy } from './policy';
import { allowedBadNews } from './reconcile';
import { type ServerState } from './model';
import { type Server } from './schema';

/** A server that nobody listed is asked for while its document says that it exists, or may. */
const expected = new Set<ServerState>(['creating', 'securing', 'ready', 'draining', 'quarantined']);
/** Lists of Azure lag behind: for this long a new server may be absent from them without their being incomplete. */
const lagMs = 15 * 60_000;

/**
 * The servers of a region, or that they are not known. A list may end early and not say so; therefore whoever is documented and
 * not in it is asked for by name. One that exists proves the list incomplete, and an incomplete list is as good as none.
 */
export function createListing(deps: { azure: AzureSql; observe: Observe; policy: Policy; clock: Clock }) {
  const { azure, observe, policy, clock } = deps;
  const isNew = ({ creation }: Server): boolean =>
    clock.nowMs() - Date.parse(creation.readyAt ?? creation.startedAt ?? creation.requestedAt) < lagMs;

  return async (region: string, documents: readonly Server[]): Promise<Known<ArmServer[]>> => {
    const listing = await observe.servers(region);
    if (!listing.known) return listing;
    const listed = new Set(listing.value.map(({ name }) => name));
    const absent = documents.filter(({ name, state }) => expected.has(state) && !listed.has(name.toLowerCase()));
    // So many at once are not believed anyhow, and need not be asked for.
    if (absent.length > allowedBadNews(documents.length, policy)) return listing;
    const lagging: ArmServer[] = [];
    for (const document of absent) {
      let found: ArmServer | null;
      try {
        found = await azure.readServer(document.resourceGroup, document.name);
      } catch (error) {
        return { known: false, because: `${document.name} is not in the list: ${messageOf(error)}` };
      }
      if (found === null) continue;
      if (!isNew(document)) return { known: false, because: `the list leaves out ${document.name}, which exists` };
      lagging.push(found);
    }
    return { known: true, value: [...listing.value, ...lagging] };
  };
}
export type Listing = ReturnType<typeof createListing>;
