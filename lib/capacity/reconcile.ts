import { isOurs, ordinalOf, type ServerState } from './model';
import { type Condition } from './facts';
import { type Policy } from './policy';
import { type Server } from './schema';

/**
 * Documents against servers, both ways. Pure; reached only with a complete listing, because a server that an incomplete one
 * leaves out is unknown and not missing.
 */

/** A logical server as Azure describes it. */
export interface ObservedServer {
  name: string;
  region: string;
  resourceGroup: string;
  tags: Readonly<Record<string, string>>;
  /** `Ready`, `Disabled` or whatever comes next. */
  state: string;
  fullyQualifiedDomainName: string | null;
}

/** A document that cannot be read as a server any more, or whose state is no state. */
export interface DamagedDocument {
  name: string;
  problem: string;
}

export type Change =
  /** The state, or fields, of a document do not say what is so. */
  | { kind: 'correct'; server: string; to: ServerState; fields: Partial<Server>; reason: string; badNews: boolean }
  /** A server of ours without a document, or with a damaged one: written anew from what Azure says. */
  | { kind: 'adopt'; server: ObservedServer; damaged: boolean; reason: string; badNews: false }
  /** A damaged document without a server. */
  | { kind: 'rebuildMissing'; server: string; reason: string; badNews: true };

export interface Reconciliation {
  changes: Change[];
  conditions: Condition[];
  /** false: more bad news at once than a fleet has. */
  believed: boolean;
}

export interface ReconcileInput {
  region: string;
  environment: string;
  nowMs: number;
  documents: readonly Server[];
  damaged: readonly DamagedDocument[];
  observed: readonly ObservedServer[];
}

export function reconcile(input: ReconcileInput, policy: Policy): Reconciliation {
  const { region, environment, documents, damaged } = input;
  const observed = new Map(input.observed.map((server) => [server.name.toLowerCase(), server]));
  const changes: Change[] = [];
  const conditions: Condition[] = [];

  for (const document of documents) {
    const server = observed.get(document.name.toLowerCase());
    const verdict =
      server === undefined ? withoutServer(document, input, policy) : withServer(document, server, input, policy);
    if (verdict.change !== null) changes.push(verdict.change);
    conditions.push(...verdict.conditions);
  }
  const known = new Set([...documents, ...damaged].map(({ name }) => name.toLowerCase()));
  for (const { name, problem } of damaged) {
    const server = observed.get(name.toLowerCase());
    const reason = `the document could not be read (${problem})`;
    changes.push(
      server === undefined
        ? { kind: 'rebuildMissing', server: name, reason, badNews: true }
        : { kind: 'adopt', server, damaged: true, reason, badNews: false },
    );
  }
  for (const server of observed.values()) {
    if (known.has(server.name.toLowerCase())) continue;
    if (isOurs(server.tags, environment)) {
      const reason = 'the server carries our tags and had no document';
      changes.push({ kind: 'adopt', server, damaged: false, reason, badNews: false });
    } else if (ordinalOf(server.name, environment, region) !== null) {
      conditions.push(stranger(server.name));
    }
  }
  return withinReason(changes, conditions, documents.length + damaged.length, region, policy);
}

interface Verdict {
  change: Change | null;
  conditions: Condition[];
}

function correction(server: Server, to: ServerState, reason: string, fields: Partial<Server> = {}): Change {
  return { kind: 'correct', server: server.name, to, fields, reason, badNews: to === 'missing' || to === 'failed' };
}

function withoutServer(document: Server, { nowMs }: ReconcileInput, policy: Policy): Verdict {
  const none: Verdict = { change: null, conditions: [] };
  switch (document.state) {
    case 'requested':
    case 'creating': {
      const begun = Date.parse(document.creation.startedAt ?? document.creation.requestedAt);
      if (nowMs - begun < policy.creatingTimeoutMs) return none;
      const minutes = Math.round((nowMs - begun) / 60_000);
      return {
        change: correction(document, 'failed', `there is no server ${minutes} minutes after it was asked for`),
        conditions: [],
      };
    }
    case 'failed':
      return none;
    case 'draining':
    case 'retired':
      if (document.retirement === null) return { change: gone(document), conditions: [missing(document)] };
      return document.state === 'retired'
        ? none
        : {
            change: correction(document, 'retired', 'the server was deleted after it had been drained'),
            conditions: [],
          };
    case 'missing':
      return { change: null, conditions: [missing(document)] };
    case 'securing':
    case 'ready':
    case 'quarantined':
      return { change: gone(document), conditions: [missing(document)] };
  }
}

function gone(document: Server): Change {
  return correction(document, 'missing', `Azure lists no such server, although it was ${document.state}`);
}

function missing({ name, region }: Server): Condition {
  return {
    class: 'server-missing',
    subject: name,
    severity: 'critical',
    message: `${name} in ${region} is in our registry, but Azure has no such server. Nothing is placed on it.`,
    suggestion:
      'Recover it if it was deleted by mistake (deleted servers stay recoverable for days where that is switched on); else retire its document.',
  };
}

function withServer(document: Server, server: ObservedServer, input: ReconcileInput, policy: Policy): Verdict {
  const stuckForMs = input.nowMs - Date.parse(document.stateSince);
  const fields = differences(document, server);
  const secured = document.security.verifiedAt !== null;
  const to = (state: ServerState, reason: string): Verdict => ({
    change: correction(document, state, reason, fields),
    conditions: [],
  });
  const unchanged = (conditions: Condition[] = []): Verdict => ({
    change:
      Object.keys(fields).length === 0
        ? null
        : correction(document, document.state, `Azure says otherwise of ${Object.keys(fields).join(', ')}`, fields),
    conditions,
  });
  // It may be somebody else's: a document that never saw it alive, or saw it go, does not make it ours.
  if (newlyFound.has(document.state) && !isOurs(server.tags, input.environment)) {
    return { change: null, conditions: [stranger(document.name)] };
  }
  switch (document.state) {
    case 'requested':
    case 'creating':
      if (!isUsable(server)) return unchanged();
      // The poller notices by itself within seconds; what is left after minutes has lost it.
      if (document.state === 'creating' && document.creation.poller !== null && stuckForMs < policy.creatingTimeoutMs)
        return unchanged();
      if (secured) return to('securing', `the document said ${document.state}, but the server was ready before`);
      return to('securing', 'the server is there');
    case 'securing':
      return unchanged(stuckForMs < policy.securingTimeoutMs ? [] : [stuckSecuring(document, stuckForMs)]);
    case 'ready':
      if (!isUsable(server))
        return {
          ...to('quarantined', `Azure says that it is ${server.state}`),
          conditions: [unusable(document, server)],
        };
      return secured ? unchanged() : to('securing', 'it was called ready, but its security was never verified');
    case 'draining':
      return document.retirement === null
        ? to('securing', 'it was called draining, but nobody asked to drain it')
        : unchanged();
    case 'retired':
      return document.retirement === null
        ? to('securing', 'it was called retired, but nobody retired it, and it exists')
        : unchanged([retiredButThere(document)]);
    case 'failed':
      return to('securing', 'creating it had been given up, but the server exists');
    case 'missing':
      return to('securing', 'the server is there again');
    case 'quarantined':
      if (!isUsable(server)) return unchanged([unusable(document, server)]);
      return policy.adoption === 'automatic' && isOurs(server.tags, input.environment)
        ? to('securing', 'the server carries our tags: it is secured, then used')
        : unchanged([quarantined(document)]);
  }
}

/** In these, finding a server means taking it into service. */
const newlyFound = new Set<ServerState>(['requested', 'creating', 'failed', 'missing']);

/** Whatever comes beside `Ready`: a server that Azure has disabled takes no database. Where it says nothing, it is not held against it. */
function isUsable({ state }: ObservedServer): boolean {
  return state === 'Ready' || state === 'Unknown';
}

function unusable({ name, region }: Server, { state }: ObservedServer): Condition {
  return {
    class: 'server-unusable',
    subject: name,
    severity: 'critical',
    message: `${name} in ${region} exists, and Azure says that it is ${state}. Nothing is placed on it.`,
    suggestion: 'Look at the server in Azure: a key of its encryption, or the subscription, may have been disabled.',
  };
}

function stranger(name: string): Condition {
  return {
    class: 'unknown-server',
    subject: name,
    severity: 'warning',
    message: `${name} has one of our names, but not our tags.`,
    suggestion: 'Tag it as ours to have it taken over, or delete it; its name is not used again.',
  };
}

/** What Azure knows better than the document. */
function differences(document: Server, server: ObservedServer): Partial<Server> {
  const fields: Partial<Server> = {};
  const { fullyQualifiedDomainName } = server;
  if (fullyQualifiedDomainName !== null && document.fullyQualifiedDomainName !== fullyQualifiedDomainName) {
    fields.fullyQualifiedDomainName = fullyQualifiedDomainName;
  }
  if (document.resourceGroup.toLowerCase() !== server.resourceGroup.toLowerCase()) {
    fields.resourceGroup = server.resourceGroup;
  }
  const names = new Set([...Object.keys(document.tags), ...Object.keys(server.tags)]);
  if ([...names].some((name) => document.tags[name] !== server.tags[name])) fields.tags = { ...server.tags };
  return fields;
}

function stuckSecuring({ name, region, creation }: Server, forMs: number): Condition {
  return {
    class: 'securing-stuck',
    subject: name,
    severity: 'warning',
    message: `${name} in ${region} exists for ${Math.round(forMs / 60_000)} minutes without being secured: ${creation.failure?.message ?? 'no step failed'}.`,
    suggestion: "Give the app's identity the rights that the message names, or correct the template.",
  };
}

function retiredButThere({ name }: Server): Condition {
  return {
    class: 'retired-exists',
    subject: name,
    severity: 'info',
    message: `${name} is retired and still exists.`,
    suggestion: 'Delete the server when nobody needs it; that is never done by itself.',
  };
}

function quarantined({ name }: Server): Condition {
  return {
    class: 'quarantined',
    subject: name,
    severity: 'warning',
    message: `${name} exists with our tags, but its document was lost. Nothing is placed on it.`,
    suggestion: `Adopt it (POST /api/sqlServers/${name}/adopt) after a look at who made it.`,
  };
}

/** How many servers may be missing or failed at once before the listing is taken for a lie. */
export function allowedBadNews(known: number, policy: Policy): number {
  return Math.max(policy.maximumChanges, Math.ceil(known * policy.maximumChangesFraction));
}

/** Believes nothing when there is more bad news at once than a fleet has: then the listing lies, not the fleet. */
function withinReason(
  changes: Change[],
  conditions: Condition[],
  known: number,
  region: string,
  policy: Policy,
): Reconciliation {
  const bad = new Set(changes.flatMap((change) => (change.badNews ? [change.server] : [])));
  const allowed = allowedBadNews(known, policy);
  if (bad.size <= allowed) return { changes, conditions, believed: true };
  return {
    believed: false,
    changes: changes.filter(({ badNews }) => !badNews),
    conditions: [
      ...conditions.filter(({ class: kind, subject }) => kind !== 'server-missing' || !bad.has(subject)),
      {
        class: 'implausible-listing',
        subject: region,
        severity: 'critical',
        message: `${bad.size} of ${known} servers of ${region} would be missing or failed at once; at most ${allowed} are believed, so nothing was changed, and nothing is decided.`,
        suggestion:
          "Does the app's identity see only a part of the subscription? Servers that were really deleted are let go by draining them (POST /api/sqlServers/{server}/drain).",
      },
    ],
  };
}
