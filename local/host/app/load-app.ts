import { existsSync, readFileSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { createAppRegistration, type FunctionApp } from './core-module';

const coreModuleName = '@azure/functions-core';
const packageSchema = z.object({ main: z.string().min(1) });
let loadedEntry: string | undefined;

export interface AppLocation {
  /** Folder with `package.json` (and `host.json`). */
  folder: string;
  /** Compiled CommonJS entry, relative to `folder`. Default: `main` of `package.json`, one file and no pattern. */
  entry?: string;
}

/**
 * Loads a compiled app into this process, giving its `@azure/functions` our core module in place of the worker's.
 *
 * The worker does the same: the module exists in no folder, so `require` itself has to know it. The library asks once
 * and keeps the answer, therefore one process can load one app; start a second process for a second app.
 *
 * @throws Error naming the file when the entry is missing, when it throws, or when it registers nothing.
 */
export async function loadApp(location: AppLocation): Promise<FunctionApp> {
  const entry = resolve(location.folder, location.entry ?? mainOf(location.folder));
  if (loadedEntry !== undefined) {
    throw new Error(`This process has loaded the app ${loadedEntry} already; ${entry} needs a process of its own.`);
  }
  if (!existsSync(entry)) throw new Error(`The app's entry ${entry} does not exist. Is it built?`);
  loadedEntry = entry;

  const registration = createAppRegistration();
  const requireOfNode: unknown = Object.getOwnPropertyDescriptor(Module.prototype, 'require')?.value;
  if (typeof requireOfNode !== 'function') throw new Error('This Node.js has no Module.prototype.require.');
  Module.prototype.require = function (this: Module, id: string): unknown {
    if (id === coreModuleName) return registration.coreModule;
    const loaded: unknown = Reflect.apply(requireOfNode, this, [id]);
    return loaded;
  };
  // Stays in place afterwards: the library asks when something is first registered, which may be in a late import.
  createRequire(entry)(entry);
  return registration.finish();
}

function mainOf(folder: string): string {
  return packageSchema.parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))).main;
}
