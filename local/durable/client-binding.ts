/** The URLs of the management API, as clients of Durable Functions get them. */

interface Addressed {
  /** The host's own, without a trailing slash. */
  baseUrl: string;
  taskHubName: string;
  systemKey: string;
}

export const webhookPath = '/runtime/webhooks/durabletask';
/** Where the client library of the app itself talks to: no key, loopback only. */
export const rpcPath = '/durabletask';

function queryOf({ taskHubName, systemKey }: Addressed): string {
  return `taskHub=${encodeURIComponent(taskHubName)}&connection=Storage&code=${encodeURIComponent(systemKey)}`;
}

/** @param id the instance's id, or the placeholder that clients replace. */
export function managementLinks(addressed: Addressed, id: string): Record<string, string> {
  const instance = `${addressed.baseUrl}${webhookPath}/instances/${id}`;
  const query = queryOf(addressed);
  return {
    id,
    statusQueryGetUri: `${instance}?${query}`,
    sendEventPostUri: `${instance}/raiseEvent/{eventName}?${query}`,
    terminatePostUri: `${instance}/terminate?reason={text}&${query}`,
    purgeHistoryDeleteUri: `${instance}?${query}`,
    restartPostUri: `${instance}/restart?${query}`,
    suspendPostUri: `${instance}/suspend?reason={text}&${query}`,
    resumePostUri: `${instance}/resume?reason={text}&${query}`,
  };
}

/** JSON that a `durableClient` input binding receives. */
export function clientBinding(addressed: Addressed): string {
  const { baseUrl, systemKey, taskHubName } = addressed;
  const placeholder = 'INSTANCEID';
  const code = `code=${encodeURIComponent(systemKey)}`;
  const create = `${baseUrl}${webhookPath}/orchestrators/{functionName}[/{instanceId}]`;
  const rewind = `${baseUrl}${webhookPath}/instances/${placeholder}/rewind?reason={text}&${queryOf(addressed)}`;
  return JSON.stringify({
    taskHubName,
    connectionName: 'Storage',
    creationUrls: {
      createNewInstancePostUri: `${create}?${code}`,
      createAndWaitOnNewInstancePostUri: `${create}?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&${code}`,
    },
    managementUrls: { ...managementLinks(addressed, placeholder), rewindPostUri: rewind },
    baseUrl: `${baseUrl}${webhookPath}`,
    requiredQueryStringParameters: code,
    rpcBaseUrl: `${baseUrl}${rpcPath}/`,
    httpBaseUrl: null,
  });
}
