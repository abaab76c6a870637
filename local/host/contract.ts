/** The seam between the Functions host and what plugs into it (Durable engine, Event Grid endpoint, admin API). */

/** A request that the host's HTTP front hands to an extension (`/runtime/webhooks/...`). */
export interface HostRequest {
  method: string;
  /** Path and query as sent, for example `/runtime/webhooks/durabletask/instances/abc?code=...`. */
  url: string;
  headers: Record<string, string>;
  body: Buffer;
}

export interface HostResponse {
  status: number;
  headers: Record<string, string>;
  body: string | Buffer;
}

/** Data of one trigger as the worker receives it: `string` and `json` are the two wire forms of the RPC protocol. */
export type TriggerData = { string: string } | { json: string };

/** Runs one registered function through the `@azure/functions` invocation model. */
export interface FunctionInvoker {
  /**
   * Resolves to the function's return value (the classic protocol of Durable depends on it, also without an output
   * binding); rejects with the error that the function threw.
   */
  invoke(functionName: string, trigger: TriggerData, metadata?: Record<string, unknown>): Promise<unknown>;
}

/** What the host tells the Durable engine about the functions that it loaded. */
export interface DurableFunctions {
  orchestrators: readonly string[];
  activities: readonly string[];
  entities: readonly string[];
}

export interface DurableEngine {
  /** Loads persisted instances and goes on with whatever was running. Call once all functions are registered. */
  start(functions: DurableFunctions, invoker: FunctionInvoker): Promise<void>;
  /** Stops taking new work, waits for running activities up to `graceMs`. State stays on disk. */
  stop(graceMs: number): Promise<void>;
  /** JSON that a `durableClient` input binding receives. `baseUrl` is the host's own, without a trailing slash. */
  clientBinding(baseUrl: string): string;
  /** The management API and the client RPC endpoint: everything under `/runtime/webhooks/durabletask` and `/durabletask`. */
  handle(request: HostRequest): Promise<HostResponse>;
}
