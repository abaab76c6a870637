import { type Clock } from '../../lib/platform/clock';
import { ofKind, type HostFunction } from './app/bindings';
import { type Invoker } from './app/invocation';
import { openCheckpoints } from './event-hubs/checkpoints';
import { createEventHubsListener, streamOf } from './event-hubs/event-hubs-listener';
import { type AppSettings, type HostJson } from './host-settings';
import { type TriggerListener } from './listener';
import { type HostLog } from './log';
import { createServiceBusListener } from './service-bus/service-bus-listener';
import { openScheduleMonitor } from './timers/schedule-monitor';
import { createTimerListener } from './timers/timer-listener';

export interface TriggerDeps {
  clock: Clock;
  invoker: Invoker;
  settings: AppSettings;
  extensions: HostJson['extensions'];
  stateFolder: string;
  log: HostLog;
}

/**
 * All listeners of an app as one, with the state that they keep on disk.
 * @throws Error naming the function when a schedule, a connection or a consumer group cannot be used.
 */
export function openTriggers(functions: readonly HostFunction[], deps: TriggerDeps): TriggerListener {
  const { serviceBus, eventHubs } = deps.extensions;
  const monitor = openScheduleMonitor(deps.stateFolder);
  const checkpoints = openCheckpoints(deps.stateFolder);
  const closeState = (): void => {
    monitor.close();
    checkpoints.close();
  };
  const listeners: TriggerListener[] = [];
  try {
    refuseSharedStreams(functions);
    refuseTimeZone(functions, deps.settings);
    const add = <F extends HostFunction>(targets: readonly F[], create: (target: F) => TriggerListener): void => {
      for (const target of targets) listeners.push(naming(target, () => create(target)));
    };
    add(ofKind(functions, 'timer'), (target) => createTimerListener(target, { ...deps, monitor }));
    add(ofKind(functions, 'serviceBus'), (target) => createServiceBusListener(target, { ...deps, serviceBus }));
    add(ofKind(functions, 'eventHub'), (target) =>
      createEventHubsListener(target, { ...deps, eventHubs, checkpoints }),
    );
  } catch (error) {
    closeState();
    throw error;
  }
  return {
    async start() {
      await Promise.all(listeners.map((listener) => listener.start()));
    },
    async stop() {
      await Promise.all(listeners.map((listener) => listener.stop()));
    },
    async close() {
      await Promise.all(listeners.map((listener) => listener.close()));
      closeState();
    },
  };
}

function refuseSharedStreams(functions: readonly HostFunction[]): void {
  const owners = new Map<string, string>();
  for (const { name, trigger } of ofKind(functions, 'eventHub')) {
    const other = owners.get(streamOf(trigger));
    if (other !== undefined) {
      throw new Error(`The functions "${other}" and "${name}" read the same event hub: give each a consumer group.`);
    }
    owners.set(streamOf(trigger), name);
  }
}

/** Schedules are read in UTC; to fire at another hour than in Azure would be worse than not to start. */
function refuseTimeZone(functions: readonly HostFunction[], { WEBSITE_TIME_ZONE: zone }: AppSettings): void {
  if (zone === undefined || zone === 'UTC' || ofKind(functions, 'timer').length === 0) return;
  throw new Error(`The app setting WEBSITE_TIME_ZONE is ${zone}, but timers of this host run in UTC only.`);
}

function naming<T>(target: HostFunction, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new Error(`The function "${target.name}" cannot be started: ${String(cause)}`, { cause });
  }
}
