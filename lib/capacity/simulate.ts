import { requestedServer } from './documents';
import { nextOrdinal, serverName } from './model';
import { fit } from './placement';
import { type Condition, type RegionFacts } from './facts';
import { loadOf } from './load';
import { leadMs } from './measures';
import { decide } from './plan';
import { type Policy } from './policy';
import { type Server } from './schema';

export interface SimulationStep {
  /** From now, when every server takes as long as the slow ones took. */
  afterMs: number;
  action: 'create' | 'wouldCreate';
  server: string;
  reasons: string[];
}

export interface Simulation {
  placed: number;
  /** What no server could take in the end. */
  unplaceable: number;
  steps: SimulationStep[];
  /** Why nothing more is done. */
  reasons: string[];
  conditions: Condition[];
}

const maximumSteps = 100;

/** What the monitor would do if a region had that many databases more. Decides with the same function; nothing is changed. */
export function simulate(facts: RegionFacts, databases: number, policy: Policy, environment: string): Simulation {
  const lead = leadMs(facts.memory.creations, policy);
  let nowMs = facts.nowMs;
  let servers = [...facts.servers];
  let { creations } = facts.memory;
  let quota = facts.regional.servers;
  const steps: SimulationStep[] = [];
  let left = databases;
  for (;;) {
    const spread = spreadOver(servers, left, nowMs, policy);
    servers = spread.servers;
    left -= spread.placed;
    const aboveCreate = { databases: policy.samplesToCreate, serverDtus: policy.samplesToCreate };
    // What could not be placed presses as a headroom that is missing.
    const pressing = { ...policy, minimumHeadroom: Math.max(policy.minimumHeadroom, left) };
    const memory = { ...facts.memory, creations, aboveCreate };
    const decision = decide(
      { ...facts, nowMs, servers, memory, regional: { ...facts.regional, servers: quota } },
      pressing,
    );
    const { action } = decision;
    if (action === 'none' || action === 'unknown' || steps.length >= maximumSteps) {
      const { reasons, conditions } = decision;
      return { placed: databases - left, unplaceable: left, steps, reasons, conditions };
    }
    const names = servers.map(({ name }) => name);
    const name = serverName(environment, facts.region, nextOrdinal(names, environment, facts.region));
    steps.push({ afterMs: nowMs - facts.nowMs, action, server: name, reasons: decision.reasons });
    creations = [...creations, { server: name, requestedAtMs: nowMs, durationMs: lead }];
    nowMs += lead + policy.coolDownMs;
    servers.push(emptyServer(name, facts, policy));
    quota = quota === null ? null : { ...quota, value: quota.value + 1 };
  }
}

/** To the least loaded first, as placement does, but in one stroke: a thousand databases need no thousand choices. */
function spreadOver(
  servers: readonly Server[],
  databases: number,
  nowMs: number,
  policy: Policy,
): { servers: Server[]; placed: number } {
  const filled = [...servers].sort((a, b) => a.load - b.load);
  let left = databases;
  const strokes = Math.max(1, Math.ceil(databases / (20 * Math.max(1, filled.length))));
  for (let progress = true; progress && left > 0;) {
    progress = false;
    for (const [index, server] of filled.entries()) {
      const count = Math.min(left, strokes);
      const { databases: measure } = server.numbers;
      if (count === 0 || measure === null) continue;
      const taken = fit(server, { tags: {}, count, not: [] }, nowMs, policy).fits ? count : 1;
      if (!fit(server, { tags: {}, count: taken, not: [] }, nowMs, policy).fits) continue;
      const numbers = { ...server.numbers, databases: { ...measure, value: measure.value + taken } };
      filled[index] = { ...server, numbers, load: loadOf({ ...server, numbers }, nowMs, policy) };
      left -= taken;
      progress = true;
    }
  }
  return { servers: filled, placed: databases - left };
}

function emptyServer(name: string, { region, templateVersion }: RegionFacts, policy: Policy): Server {
  const at = new Date(0).toISOString();
  const reason = 'simulated';
  const options = { name, region, resourceGroup: '', tags: {}, templateVersion, fence: 0, reason, at };
  const server = requestedServer(options);
  return {
    ...server,
    state: 'ready',
    numbers: { databases: { value: 0, limit: policy.limits.databases }, serverDtus: null },
    load: 0,
  };
}
