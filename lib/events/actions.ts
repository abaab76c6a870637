import { z } from 'zod';
import { type Orchestrations } from '../platform/durable';
import { AppError, type InputProblem, messageOf } from '../platform/errors';
import { sha256 } from '../platform/hash';
import { checkInput } from '../platform/schema-problems';
import { nudgeCapacityId, nudgeCapacityName } from './orchestrators/nudge-capacity';
import { packageOf, serverIdOf } from './plan';
import {
  buildManifestSchema,
  buildTemplateSchema,
  type EventDocument,
  type EventRoute,
  type RouteOutcome,
} from './schema';
import { type EventStore } from './store';
import { type DeploymentOutputs, filledIn, needsOutputs } from './templates';

/** A build that an event asks for. */
export interface RequestedBuild {
  package: { name: string; bytes: Buffer };
  targets: Buffer;
  options: Record<string, unknown>;
  /** The same key is the same build, however often it is asked for. */
  idempotencyKey: string;
  requester: string;
}

/** What events may start. The parts that are not there are recorded as not configured. */
export interface EventEffects {
  startBuild(build: RequestedBuild, orchestrations: Orchestrations): Promise<{ buildId: string; created: boolean }>;
  /** From the container `packages`; null: there is no such blob. */
  readUpload(name: string): Promise<Buffer | null>;
  /** Makes the capacity of a region be looked at now; null: of every region. */
  nudgeCapacity?: (region: string | null, orchestrations: Orchestrations) => Promise<void>;
  /** The region of a SQL server, also of one that was deleted; null: not known. */
  regionOfServer?: (serverId: string) => Promise<string | null>;
  /**
   * Deploys the assets of the environment whose workspace was written; null: none is configured for it. The same key is
   * the same deployment.
   */
  deployWorkspace?: (
    request: { workspaceId: string; requestKey: string },
    orchestrations: Orchestrations,
  ) => Promise<{ deployment: string } | null>;
  /** What an ARM deployment put out; null: there is no such deployment any more. */
  deploymentOutputs?: (deploymentId: string) => Promise<DeploymentOutputs | null>;
}

export interface ActionsDeps {
  effects: EventEffects;
  events: EventStore;
  debounceMs: number;
}

type Outcome = Omit<RouteOutcome, 'route'>;

/**
 * Does what a route says, from what is there now, not from what the event says. May run twice: everything that is started
 * has a key of its own.
 *
 * @throws AppError: transient ones are tried again, the others are how it ended
 */
export function createActions({ effects, events, debounceMs }: ActionsDeps) {
  return async (route: EventRoute, event: EventDocument, orchestrations: Orchestrations): Promise<Outcome> => {
    const requester = `event:${route.name}`;
    const { essence } = event;
    switch (route.action.kind) {
      case 'nudgeCapacity': {
        if (effects.nudgeCapacity === undefined) return notConfigured('capacity');
        const serverId = essence.kind === 'resource' ? serverIdOf(essence.resourceId) : null;
        const region = serverId === null ? null : ((await effects.regionOfServer?.(serverId)) ?? null);
        await events.askNudge(region);
        await orchestrations.start(nudgeCapacityName, nudgeCapacityId(region), { region, debounceMs });
        return started(region === null ? 'every region is looked at' : `${region} is looked at`, ['capacity']);
      }
      case 'deployWorkspace': {
        if (effects.deployWorkspace === undefined || essence.kind !== 'resource') return notConfigured('workspaces');
        const workspaceId = await filled(route.action.workspace ?? essence.resourceId, z.string(), event);
        if (workspaceId === null) return nothingToDo(outputsGone);
        const requestKey = `${event.id}:${route.name}`;
        const deployed = await effects.deployWorkspace({ workspaceId, requestKey }, orchestrations);
        if (deployed === null) return notConfigured(`an environment with the workspace ${workspaceId}`);
        return started('the assets of its environment are deployed', [deployed.deployment]);
      }
      case 'startBuild': {
        const template = await filled(route.action.build, buildTemplateSchema, event);
        if (template === null) return nothingToDo(outputsGone);
        const targets =
          'text' in template.targets ? Buffer.from(template.targets.text) : await upload(template.targets.blob);
        return build(
          {
            package: { name: nameOf(template.package.blob), bytes: await upload(template.package.blob) },
            targets,
            options: template.options,
            idempotencyKey: `event:${event.id}:${route.name}`,
            requester,
          },
          orchestrations,
        );
      }
      case 'buildFromManifest': {
        if (essence.kind !== 'blob') return notConfigured('builds for events that are not about blobs');
        const { packageBlob, manifestBlob } = packageOf(essence.blob);
        const manifestBytes = await effects.readUpload(manifestBlob);
        if (manifestBytes === null) return nothingToDo(`there is no ${manifestBlob} beside it`);
        const bytes = await effects.readUpload(packageBlob);
        // Some ways of uploading create a blob first, and tell of its content by a second event.
        if (bytes === null || bytes.length === 0) return nothingToDo(`the package ${packageBlob} is not there yet`);
        const manifest = checkInput(buildManifestSchema, jsonOf(manifestBytes, manifestBlob), 'events.manifest', '');
        if (!manifest.success) throw refused(`${manifestBlob} is no manifest of a build`, manifest.problems);
        const targets = await upload(manifest.data.targets.blob);
        // By content: package and manifest arrive as two events, in any order, and are one build.
        const content = [packageBlob, sha256(bytes), sha256(manifestBytes), sha256(targets)];
        const idempotencyKey = `blob:${sha256(JSON.stringify(content))}`;
        const { options } = manifest.data;
        return build(
          { package: { name: nameOf(packageBlob), bytes }, targets, options, idempotencyKey, requester },
          orchestrations,
        );
      }
    }
  };

  /** The template with the outputs of the event's deployment in it; null: the deployment is not there any more. */
  async function filled<T>(template: T, schema: z.ZodType<T>, { essence }: EventDocument): Promise<T | null> {
    if (!needsOutputs(template)) return template;
    if (effects.deploymentOutputs === undefined || essence.kind !== 'resource') {
      throw refused('the route asks for the outputs of a deployment, and the event is about none');
    }
    const outputs = await effects.deploymentOutputs(essence.resourceId);
    if (outputs === null) return null;
    const checked = checkInput(schema, filledIn(template, outputs), 'events.template', '');
    if (checked.success) return checked.data;
    throw refused('what the deployment put out does not fit into the route', checked.problems);
  }

  async function upload(name: string): Promise<Buffer> {
    const bytes = await effects.readUpload(name);
    if (bytes === null) throw refused(`there is no blob "${name}" in the container "packages"`);
    return bytes;
  }

  async function build(requested: RequestedBuild, orchestrations: Orchestrations): Promise<Outcome> {
    const { buildId, created } = await effects.startBuild(requested, orchestrations);
    const path = `builds/${buildId}`;
    return created
      ? started(`build ${buildId}`, [path])
      : { ...nothingToDo(`build ${buildId} was started already`), started: [path] };
  }
}

const outputsGone = 'the deployment is gone, and its outputs with it';

function started(text: string, paths: string[]): Outcome {
  return { result: 'started', text, started: paths };
}

function nothingToDo(text: string): Outcome {
  return { result: 'nothingToDo', text, started: [] };
}

function notConfigured(what: string): Outcome {
  return { result: 'notConfigured', text: `not configured here: ${what}`, started: [] };
}

function refused(what: string, problems: readonly InputProblem[] = []): AppError {
  const details = problems.length === 0 ? {} : { problems };
  return new AppError('events.refused', `The event started nothing: ${what}.`, { status: 422, details });
}

function nameOf(blob: string): string {
  return blob.slice(blob.lastIndexOf('/') + 1);
}

function jsonOf(bytes: Buffer, blob: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    throw refused(`${blob} is not JSON (${messageOf(error)})`);
  }
}
