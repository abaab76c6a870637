import { ensureCertificates } from '../../local/certificates/certificates';
import { createSqlFaults } from '../../local/sql/faults';
import { startSqlServers } from '../../local/sql/servers';
import { systemClock } from '../../lib/platform/clock';
import { answerParent, childInput } from '../child';
import { login, serverInputSchema, serverName } from './model';
import { createNullEngine } from './null-engine';

/** The server side: the stand-in's TDS and TLS, with an engine that takes no time of its own. */
answerParent(async () => {
  const { certificatesFolder, profile } = childInput(serverInputSchema);
  const certificates = await ensureCertificates(certificatesFolder, [serverName], new Date());
  const { servers } = await startSqlServers({
    engine: createNullEngine(profile, systemClock),
    servers: [{ name: serverName, port: 0 }],
    logins: [login],
    certificates,
    faults: createSqlFaults(
      profile.loginMs === 0 ? [] : [{ kind: 'delayLogin', times: null, delayMs: profile.loginMs }],
    ),
  });
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMs: (user + system) / 1_000 });
  });
  return { port: servers[0]?.port ?? 0, caFile: certificates.caFile };
});
