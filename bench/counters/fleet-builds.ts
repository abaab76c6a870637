import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { createApiClient, type UploadedFile } from '../../cli/api-client';
import { type BuildView } from '../../lib/builds/view';
import { orchestrationId } from '../../lib/builds/orchestrators/build';
import { type Endpoints } from '../../local/launcher/endpoints';
import { type CloudCounters, cloudCountersSchema, type Traffic, trafficOf } from './traffic';

const lookEveryMs = 250;
/** Settlements, events and checkpoints trail behind the end of a build. */
const quietMs = 1_500;

const figuresSchema = z.object({ liveBytes: z.number(), cpuMs: z.number() });

/** Real builds over HTTP on an embedded cloud, and what they made it count. */
export function createFleetBuilds(endpoints: Endpoints, scripts = 3) {
  const api = createApiClient(endpoints.http);
  const targets = endpoints.sql.flatMap(({ server, databases }) => databases.map((name) => `${server}:${name}`));

  const counters = async (): Promise<CloudCounters> => {
    const response = await fetch(`${endpoints.control.url}/counters`);
    return cloudCountersSchema.parse(await response.json());
  };
  const quietCounters = async (): Promise<CloudCounters> => {
    for (let before = await counters(); ;) {
      await delay(quietMs);
      const after = await counters();
      if (JSON.stringify(after) === JSON.stringify(before)) return after;
      before = after;
    }
  };

  return {
    /** What the process of the cloud needs just now, garbage not counted, and the CPU time it has used so far. */
    async figures() {
      const response = await fetch(`${endpoints.control.url}/actions/process/figures`, { method: 'POST' });
      return figuresSchema.parse(await response.json());
    },
    /**
     * Builds a package that is new to every database in the first `databases` of them.
     * @throws Error when not every database was committed.
     */
    async run(databases: number, onLook: (build: BuildView) => Promise<void> = async () => undefined) {
      if (databases > targets.length) throw new Error(`the fleet has only ${targets.length} databases`);
      await fetch(`${endpoints.control.url}/counters`, { method: 'DELETE' });
      // Neighbours in the list are of different servers, so that every size loads all of them.
      const chosen = interleaved(targets, endpoints.sql.length).slice(0, databases);
      const { id } = await api.startBuild(packageFor(databases, scripts), `${chosen.join('\n')}\n`, {
        name: `bench-${databases}`,
      });
      for (;;) {
        const build = await api.getBuild(id);
        await onLook(build);
        if (build.finishedAt === null) {
          await delay(lookEveryMs);
          continue;
        }
        if (build.counts.committed !== databases) {
          const { errors } = await api.outcomes(id, '?pageSize=1');
          throw new Error(`the build ${build.state}: ${JSON.stringify(build.counts)} ${JSON.stringify(errors)}`);
        }
        return build;
      }
    },
    /** What the build made the cloud count, once nothing moves any more. */
    async traffic(build: BuildView): Promise<Traffic> {
      return trafficOf(await quietCounters(), {
        instanceId: orchestrationId(build.id, build.run),
        targets: build.targets.count,
        batchesPerDatabase: scripts + 1,
      });
    },
  };
}

/** Three scripts or more, the first with two batches. The names make them new: a folder's scripts run once per database. */
function packageFor(databases: number, scripts: number): UploadedFile[] {
  const table = `dbo.Bench${databases}`;
  const texts = [
    `CREATE TABLE ${table} (Id int NOT NULL PRIMARY KEY, Name nvarchar(50) NOT NULL);\nGO\n` +
      `CREATE INDEX IX_Bench${databases}_Name ON ${table} (Name);\nGO\n`,
    `INSERT INTO ${table} (Id, Name) VALUES (1, N'one'), (2, N'two');\n`,
    `UPDATE ${table} SET Name = N'three' WHERE Id = 2;\n`,
    ...Array.from({ length: scripts - 3 }, (_, index) => `ALTER TABLE ${table} ADD Column${index} int NULL;\n`),
  ];
  return texts.map((text, index) => ({ name: `bench-${databases}-${index + 1}.sql`, bytes: text }));
}

/** First of each group, second of each group, ... for `groups` equally long runs. */
function interleaved<T>(values: readonly T[], groups: number): T[] {
  const length = Math.ceil(values.length / groups);
  return Array.from({ length }, (_, index) => index).flatMap((index) =>
    Array.from({ length: groups }, (_, group) => values[group * length + index]).filter((value) => value !== undefined),
  );
}
