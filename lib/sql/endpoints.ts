/** Where a logical server is really reached. The login and the certificate keep the logical server's name. */
export interface SqlEndpoint {
  host: string;
  port: number;
  /** Name that the server's certificate is checked against, and that a gateway routes by. */
  serverName: string;
}

export type ResolveEndpoint = (server: string, port: number | null) => SqlEndpoint;

const defaultPort = 1433;

/**
 * Servers of the map are reached at its host and port (private endpoint, tunnel), whatever port a target names: the map says
 * what this worker's network is like. All others are reached by their own name.
 * @param endpoints by lower-case server name; `*.suffix` for all servers below a domain and `*` for all, where a gateway serves
 *   many. The most exact one counts.
 */
export function createEndpointResolver(
  endpoints: ReadonlyMap<string, { host: string; port: number }> = new Map(),
): ResolveEndpoint {
  const gateways = [...endpoints]
    .filter(([name]) => name.startsWith('*'))
    .map(([name, endpoint]) => ({ suffix: name.slice(1), endpoint }))
    .sort((a, b) => b.suffix.length - a.suffix.length);
  return (server, port) => {
    const name = server.toLowerCase();
    const mapped = endpoints.get(name) ?? gateways.find(({ suffix }) => name.endsWith(suffix))?.endpoint;
    return mapped === undefined
      ? { host: server, port: port ?? defaultPort, serverName: server }
      : { ...mapped, serverName: server };
  };
}
