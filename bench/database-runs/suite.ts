import { type BenchOptions } from '../options';
import { rounded, table, thousands, type Verdict } from '../report';
import { startChild, type Child } from '../child';
import { quantileOf, type Spread } from '../statistics';
import { compare, type Measurement } from './compare';
import {
  clientAnswerSchema,
  type ClientInput,
  type ClientName,
  type Profile,
  type ProfileName,
  serverCpuSchema,
  serverReadySchema,
} from './model';

/** The product's rate must be at least this share of the bare driver's. */
const leastRateRatio = 0.85;
const scripts = 5;
const scriptLength = 300;
/** Databases built before measuring begins. */
const mostWarmUp = 200;

interface ProfilePlan {
  name: ProfileName;
  profile: Profile;
  /** Share of `--databases` and of `--pairs`: where the time is injected, less noise needs fewer runs. */
  databasesShare: number;
  pairsShare: number;
  hasPeers: boolean;
}

const plans: readonly ProfilePlan[] = [
  {
    name: 'zero',
    profile: { loginMs: 0, replyMs: 0, scriptMs: 0 },
    databasesShare: 1,
    pairsShare: 1,
    hasPeers: true,
  },
  {
    name: 'lan',
    profile: { loginMs: 20, replyMs: 5, scriptMs: 20 },
    databasesShare: 0.8,
    pairsShare: 0.6,
    hasPeers: true,
  },
  {
    name: 'wan',
    profile: { loginMs: 140, replyMs: 35, scriptMs: 50 },
    databasesShare: 0.4,
    pairsShare: 0.4,
    hasPeers: false,
  },
];

const guarantees: Record<ClientName, string> = {
  product: 'transaction, lock, journal, log readable by the predecessor, exactly once',
  bareDriver: 'the same requests, nothing decided, checked or logged: the floor',
  pool: 'transaction, list of what ran; no lock, runs again when asked again',
};

/** Builds databases through the product's run path and through other clients, on the same wire, and compares. */
export async function benchDatabaseRuns(
  options: BenchOptions,
  certificatesFolder: string,
  say: (text: string) => void,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const plan of plans.filter(({ name }) => options.profiles.includes(name))) {
    verdicts.push(...(await benchProfile(plan, options, certificatesFolder, say)));
  }
  return verdicts;
}

async function benchProfile(
  plan: ProfilePlan,
  options: BenchOptions,
  certificatesFolder: string,
  say: (text: string) => void,
): Promise<Verdict[]> {
  const databases = Math.ceil(options.databases * plan.databasesShare);
  const pairs = Math.max(2, Math.round(options.pairs * plan.pairsShare));
  const { loginMs, replyMs, scriptMs } = plan.profile;
  say(
    `\nProfile ${plan.name}: login +${loginMs} ms, answer +${replyMs} ms, script +${scriptMs} ms; ` +
      `${databases} databases, ${scripts} scripts each, ${options.concurrency} at once, ${pairs} pairs, TLS.`,
  );
  const server = startChild('database-runs-server', { certificatesFolder, profile: plan.profile });
  try {
    const { port, caFile } = await server.receive(serverReadySchema);
    const warmUp = Math.ceil(mostWarmUp * plan.databasesShare);
    const input = { port, caFile, databases, warmUp, concurrency: options.concurrency, scripts, scriptLength };
    const measure = (client: ClientName): Promise<Measurement> => measureClient(server, { ...input, client });
    // The server's code is compiled while it is used: the first run would pay for it.
    await measure('bareDriver');
    const same = await compare('bareDriver', 'bareDriver', pairs, measure);
    const product = await compare('product', 'bareDriver', pairs, measure);
    const pool = plan.hasPeers
      ? await compare('pool', 'bareDriver', Math.max(2, Math.floor(pairs / 2)), measure)
      : null;

    const rows = [
      { name: 'bare driver again (noise)', client: 'bareDriver' as const, result: same },
      { name: 'product', client: 'product' as const, result: product },
      ...(pool === null ? [] : [{ name: 'mssql pool per database', client: 'pool' as const, result: pool }]),
    ];
    say(
      table(
        [
          'against the bare driver',
          'databases/s',
          'ratio (min-max)',
          'per CPU second',
          'CPU ms',
          'p50 ms',
          'p99 ms',
          'server CPU',
        ],
        rows.map(({ name, result }) => [
          name,
          rounded(result.first.ratePerSecond, 0),
          ratioText(result.rate),
          ratioText(result.ratePerCpu),
          rounded(result.first.cpuMsPerDatabase, 2),
          rounded(quantileOf(result.first.durationsMs, 0.5), 0),
          rounded(quantileOf(result.first.durationsMs, 0.99), 0),
          `${rounded(result.first.serverCpuShare * 100, 0)} %`,
        ]),
      ),
    );
    for (const { name, client } of rows.slice(1)) say(`  ${name}: ${guarantees[client]}.`);
    const idealMs = (databases * (loginMs + replyMs * (scripts + 3) + scriptMs * scripts)) / options.concurrency;
    if (idealMs > 0) {
      say(
        `  Scheduling: the injected time alone needs ${thousands(idealMs)} ms; the product took ` +
          `${thousands((databases * 1_000) / product.first.ratePerSecond)} ms.`,
      );
    }
    return [rateVerdict(plan.name, product.rate, same.rate)];
  } finally {
    await server.stop();
  }
}

function rateVerdict(profile: string, product: Spread, same: Spread): Verdict {
  const noise = same.halfQuartileRange;
  return {
    what: `databases per second against the bare driver, ${profile}`,
    measured: `${rounded(product.median)} (noise ±${rounded(noise)})`,
    budget: `>= ${leastRateRatio}`,
    holds: product.median >= leastRateRatio || (product.median + noise >= leastRateRatio ? 'unclear' : false),
  };
}

function ratioText({ median, minimum, maximum }: Spread): string {
  return `${median.toFixed(2)} (${minimum.toFixed(2)}-${maximum.toFixed(2)})`;
}

async function measureClient(server: Child, input: ClientInput): Promise<Measurement> {
  const serverCpuMs = async (): Promise<number> => {
    server.send({});
    return (await server.receive(serverCpuSchema)).cpuMs;
  };
  const client = startChild('database-runs-client', input);
  try {
    const before = await serverCpuMs();
    const answer = await client.receive(clientAnswerSchema);
    const total = input.databases + input.warmUp;
    // The warm-up is in the server's time and not in the client's.
    const serverCpu = ((await serverCpuMs()) - before) * (input.databases / total);
    return {
      ratePerSecond: (input.databases * 1_000) / answer.wallMs,
      cpuMsPerDatabase: answer.cpuMs / input.databases,
      durationsMs: answer.durationsMs,
      serverCpuShare: serverCpu / answer.wallMs,
      maximumResidentBytes: answer.maximumResidentBytes,
    };
  } finally {
    await client.stop();
  }
}
