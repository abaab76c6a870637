import { createHmac, generateKeyPairSync } from 'node:crypto';
import { CompactSign } from 'jose';
import { createTestClusters, newKey, type TestClustersOptions } from '../../support/clusters';
import { startTestDocuments, type TestDocuments } from '../../support/documents';
import { type Algorithm, base64url, by, clusterWithWorker, external, importJwk } from '../../support/worker-tokens';

describe('the handshake with workers', () => {
  let documents: TestDocuments;
  beforeAll(async () => {
    documents = await startTestDocuments();
  });
  afterAll(() => documents.stop());
  const cluster = (algorithm: Algorithm = 'ES256', options: Partial<TestClustersOptions> = {}) =>
    clusterWithWorker(documents, algorithm, options);

  it.each(['RS256', 'ES256', 'EdDSA'] as const)(
    'admits a worker whose %s token is its cluster’s',
    async (algorithm) => {
      const { admit, sign, name, handshake, time } = await cluster(algorithm);
      const admission = await admit(await sign());
      expect(admission.queue).toMatchObject({ topic: 'database-builds', subscription: name });
      expect(admission.expiresAtMs - time.nowMs).toBeLessThanOrEqual(15 * 60_000);
      await expect(handshake.authenticate(name, admission.accessToken)).resolves.toMatchObject({
        clusterId: name.toLowerCase(),
        workerId: 'w1',
      });
    },
  );

  it('signs for one subscription, with the key that may only listen', async () => {
    const { admit, sign, name } = await cluster();
    const { signature } = (await admit(await sign())).queue;
    const fields = new URLSearchParams(signature.slice('SharedAccessSignature '.length));
    expect(fields.get('sr')).toBe(`sb://localhost:5671/database-builds/Subscriptions/${name}`);
    expect(fields.get('skn')).toBe('workers');
    const signed = `${encodeURIComponent(fields.get('sr') ?? '')}\n${fields.get('se') ?? ''}`;
    expect(fields.get('sig')).toBe(createHmac('sha256', 'c3FsZmxlZXQtd29ya2Vycw==').update(signed).digest('base64'));
  });

  it('says what to configure where it cannot sign', async () => {
    const { admit, sign } = await cluster('ES256', { workerServiceBus: 'Endpoint=sb://localhost/' });
    await expect(admit(await sign())).rejects.toMatchObject({ code: 'clusters.handshake.notConfigured', status: 503 });
  });

  it('refuses a token that nobody signed', async () => {
    const { refusal, claims, kid } = await cluster('RS256');
    for (const alg of ['none', 'None', 'NONE', '']) {
      const unsigned = `${base64url(JSON.stringify({ alg, kid }))}.${base64url(JSON.stringify(claims()))}`;
      await refusal(`${unsigned}.`);
      await refusal(`${unsigned}.AAAA`);
      await refusal(unsigned);
    }
  });

  it('refuses a token that is signed with the public key as if it were a secret', async () => {
    const { refusal, claims, kid, key } = await cluster('RS256');
    const { createPublicKey } = await import('node:crypto');
    const pem = createPublicKey({ key: key.publicJwk, format: 'jwk' })
      .export({ type: 'spki', format: 'pem' })
      .toString();
    for (const secret of [pem, pem.trim(), JSON.stringify(key.publicJwk), String(key.publicJwk.n), '']) {
      const text = `${base64url(JSON.stringify({ alg: 'HS256', kid }))}.${base64url(JSON.stringify(claims()))}`;
      await refusal(`${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`);
    }
  });

  it('refuses another algorithm than the key is for, also of the same family', async () => {
    const rsa = await cluster('RS256');
    for (const alg of ['RS384', 'RS512', 'PS256', 'ES256', 'EdDSA']) {
      const signer = await importJwk(rsa.key.privateJwk, alg.startsWith('ES') || alg === 'EdDSA' ? 'RS256' : alg);
      const signedAs = alg.startsWith('ES') || alg === 'EdDSA' ? 'RS256' : alg;
      const token = await new CompactSign(new TextEncoder().encode(JSON.stringify(rsa.claims())))
        .setProtectedHeader({ alg: signedAs, kid: rsa.kid })
        .sign(signer);
      const [, payload = '', signature = ''] = token.split('.');
      await rsa.refusal(`${base64url(JSON.stringify({ alg, kid: rsa.kid }))}.${payload}.${signature}`);
    }
    const ec = await cluster('ES256');
    const swapped = await (await cluster('EdDSA')).signText(JSON.stringify(ec.claims()), { kid: ec.kid });
    await ec.refusal(swapped);
  });

  it('holds a cluster to the algorithm in its sign options', async () => {
    const { registry, name, refusal, sign } = await cluster('ES256');
    await expect(registry.patch(name, { signOptions: { algorithm: 'EdDSA' } }, by, null)).rejects.toMatchObject({
      code: 'clusters.invalid',
    });
    await refusal(await sign({}, { alg: 'ES256', kid: 'other' }));
  });

  it('refuses every kid that is not the id of one of the cluster’s keys', async () => {
    const { refusal, sign, kid } = await cluster();
    const tricks = [
      '../../local.settings.json',
      '/dev/null',
      `${kid}\u0000`,
      `\u0000${kid}`,
      '%2e%2e%2f',
      '．．／',
      'x'.repeat(10_240),
      `' OR '1'='1`,
      `${kid} `,
      kid.toUpperCase(),
      '',
      '__proto__',
      'constructor',
    ];
    for (const trick of tricks) await refusal(await sign({}, { kid: trick }));
    for (const odd of [undefined, null, 0, [kid], { kid }]) {
      const token = await sign();
      const [, payload = '', signature = ''] = token.split('.');
      await refusal(`${base64url(JSON.stringify({ alg: 'ES256', kid: odd }))}.${payload}.${signature}`);
    }
  });

  it('follows no header to a key, and takes no header that it does not know', async () => {
    const { refusal, claims, kid } = await cluster();
    const own = newKey('ec');
    const headers: Record<string, unknown>[] = [
      { jku: 'https://evil.example/keys.json' },
      { x5u: 'https://evil.example/cert.pem' },
      { jwk: own.publicJwk },
      { x5c: ['AAAA'] },
      { crit: ['exp'], exp: 1 },
      { b64: false, crit: ['b64'] },
      { zip: 'DEF' },
      { typ: 'at+jwt' },
    ];
    for (const header of headers) {
      const text = `${base64url(JSON.stringify({ alg: 'ES256', kid, ...header }))}.${base64url(JSON.stringify(claims()))}`;
      const { sign } = await import('node:crypto');
      const signature = sign('sha256', Buffer.from(text), { key: own.privateKey, dsaEncoding: 'ieee-p1363' });
      await refusal(`${text}.${signature.toString('base64url')}`);
    }
  });

  it('refuses such headers also on a token that the right key signed', async () => {
    const { refusal, sign, key } = await cluster();
    for (const header of [
      { jku: 'https://a.example' },
      { x5u: 'https://a.example' },
      { jwk: key.publicJwk },
      { cty: 'JWT' },
    ]) {
      await refusal(await sign({}, header));
    }
  });

  it('refuses times that make no sense', async () => {
    const { refusal, sign, now } = await cluster();
    const nonsense: Record<string, unknown>[] = [
      { exp: undefined },
      { exp: String(now() + 60) },
      { exp: 1e20 },
      { exp: -1 },
      { exp: 0 },
      { exp: null },
      { exp: now() + 60.5 },
      { exp: now() - 61 },
      { exp: (now() + 60) * 1_000 },
      { exp: now() + 301 },
      { exp: now() + 3_600 },
      { exp: now() + 60, iat: now() - 3_600 },
      { exp: now(), iat: now() },
      { iat: undefined },
      { iat: now() + 62, exp: now() + 120 },
      { iat: now() + 86_400, exp: now() + 86_460 },
      { iat: String(now()) },
      { nbf: now() + 62 },
      { nbf: 'now' },
      { nbf: -5 },
    ];
    for (const changes of nonsense) await refusal(await sign(changes));
  });

  it('forgives clocks a minute, and no more', async () => {
    const { admit, sign, now, refusal } = await cluster();
    await expect(admit(await sign({ iat: now() - 100, exp: now() - 59 }))).resolves.toBeDefined();
    await expect(admit(await sign({ iat: now() + 59, nbf: now() + 59, exp: now() + 120 }))).resolves.toBeDefined();
    expect(await refusal(await sign({ iat: now() - 200, exp: now() - 60 }))).toContain('expired');
  });

  it('refuses audiences, issuers and subjects that only resemble the cluster’s', async () => {
    const { refusal, sign, name } = await cluster();
    const others: Record<string, unknown>[] = [
      { aud: ['sqlfleet'] },
      { aud: ['sqlfleet', 'https://evil.example'] },
      { aud: 'sqlfleet.evil' },
      { aud: 'sql' },
      { aud: '' },
      { aud: undefined },
      { aud: 'https://graph.microsoft.com' },
      { aud: 'SQLFLEET' },
      { iss: `${name}/` },
      { iss: name.toLowerCase() },
      { iss: ` ${name}` },
      { iss: `https://login.microsoftonline.com/${name}` },
      { iss: [name] },
      { iss: undefined },
      { sub: name.toUpperCase() },
      { sub: undefined },
    ];
    for (const changes of others) await refusal(await sign(changes));
  });

  it('takes a token once, also when it is shown to several instances at the same time', async () => {
    const { sign, name, refusal, admit } = await cluster();
    const token = await sign();
    await admit(token);
    expect(await refusal(token)).toContain('used before');
    const second = await sign();
    const instances = Array.from({ length: 6 }, () => createTestClusters({ documents }).services.handshake);
    const answers = await Promise.allSettled(instances.map((instance) => instance.admit(name, second, 'w1')));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('refuses a token without a usable jti', async () => {
    const { refusal, sign } = await cluster();
    for (const jti of [undefined, '', 5, null, ['a'], 'x'.repeat(200), 'a b', 'a\u0000']) {
      await refusal(await sign({ jti }));
    }
  });

  it('gives nothing of one cluster to the worker of another', async () => {
    const [a, b] = [await cluster(), await cluster()];
    await a.refusal(await a.sign(), b.name);
    await a.refusal(await a.sign({ iss: b.name, sub: b.name }), b.name);
    await a.refusal(await a.sign({ iss: b.name, sub: b.name }, { kid: b.kid }), b.name);
    const { accessToken } = await a.admit(await a.sign());
    await expect(b.handshake.authenticate(b.name, accessToken)).rejects.toMatchObject({ status: 401 });
  });

  it('has no worker for the app’s own cluster', async () => {
    const { refusal, sign, registry } = await cluster();
    await registry.ensureManaged();
    await refusal(await sign({ iss: 'managed', sub: 'managed' }), 'managed');
  });

  it('refuses tokens of a megabyte, deep nesting and repeated claims', async () => {
    const { refusal, signText, claims, sign, now } = await cluster();
    await refusal(await sign({ padding: 'x'.repeat(1_000_000) }));
    await refusal(await signText(`{"deep":${'['.repeat(10_000)}${']'.repeat(10_000)}}`));
    const twice = JSON.stringify(claims()).replace('{', `{"exp":${now() + 30},`);
    await refusal(await signText(twice));
    await refusal(await signText(twice.replace('"exp"', '"\\u0065xp"')));
    await refusal(await signText(`{"a":{"b":1,"b":2},${JSON.stringify(claims()).slice(1)}`));
    for (const payload of ['[]', 'null', '"text"', '', '{', '{}']) await refusal(await signText(payload));
    for (const token of ['', '.', '..', 'a.b', 'a.b.c.d', 'ä.b.c', `${await sign()}\n`, ` ${await sign()}`]) {
      await refusal(token);
    }
  });

  it('refuses a changed signature, a changed claim and a key of the same kind', async () => {
    const { refusal, sign, signText, claims } = await cluster();
    const [header = '', payload = '', signature = ''] = (await sign()).split('.');
    await refusal(`${header}.${payload}.${signature.slice(0, -4)}AAAA`);
    await refusal(`${header}.${base64url(JSON.stringify({ ...claims(), sub: 'x' }))}.${signature}`);
    await refusal(await signText(JSON.stringify(claims()), {}, newKey('ec').privateJwk));
    const zero = Buffer.alloc(64).toString('base64url'); // CVE-2022-21449
    await refusal(`${header}.${payload}.${zero}`);
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ format: 'jwk' });
    const foreign = await new CompactSign(new TextEncoder().encode(JSON.stringify(claims())))
      .setProtectedHeader({ alg: 'ES384' })
      .sign(await importJwk({ ...p384 }, 'ES384'));
    await refusal(foreign);
  });

  it('lets two keys overlap, and stops believing one, and all that came of it, when it is revoked', async () => {
    const { registry, name, sign, signText, claims, admit, refusal, kid, handshake, time } = await cluster();
    const next = newKey('ec');
    const added = await registry.addKey(name, next.publicJwk, by, null);
    const signNext = () => signText(JSON.stringify(claims()), { kid: added.id }, next.privateJwk);
    const old = await admit(await sign());
    const fresh = await admit(await signNext());
    const prepared = await sign();
    await registry.revokeKey(name, kid, by, null);
    expect(await refusal(prepared)).toContain('no key of this cluster');
    await expect(handshake.authenticate(name, old.accessToken)).rejects.toMatchObject({ status: 401 });
    await expect(handshake.authenticate(name, fresh.accessToken)).resolves.toBeDefined();
    await expect(admit(await signNext())).resolves.toBeDefined();
    time.nowMs += 11 * 60_000;
    await expect(handshake.authenticate(name, fresh.accessToken)).rejects.toMatchObject({ status: 401 });
  });

  it('forgets the workers of a deleted cluster, also when its name comes back with the same key', async () => {
    const { registry, services, name, sign, admit, refusal, handshake, key } = await cluster();
    const { accessToken } = await admit(await sign());
    const prepared = await sign();
    await services.life.remove(name, null, by, null);
    await refusal(prepared);
    await registry.register(name, { ...external, key: key.publicJwk }, by);
    await refusal(prepared);
    await expect(handshake.authenticate(name, accessToken)).rejects.toMatchObject({ status: 401 });
  });

  it('takes nothing else for an access token', async () => {
    const { handshake, name } = await cluster();
    for (const text of [null, '', 'x', '../x', 'a'.repeat(43), 'x'.repeat(10_000)]) {
      await expect(handshake.authenticate(name, text)).rejects.toMatchObject({ status: 401 });
    }
  });

  it('makes a cluster active by its workers’ reports, and unhealthy within a minute of silence', async () => {
    const { admit, sign, name, handshake, services, registry, time } = await cluster();
    const status = async () => (await services.directory.status((await registry.read(name)).value)).status;
    expect(await status()).toBe('unhealthy');
    const who = await handshake.authenticate(name, (await admit(await sign())).accessToken);
    await handshake.heartbeat(who, { slots: 4, busy: 1, stopping: false, version: 'test' });
    expect(await status()).toBe('active');
    time.nowMs += 60_000;
    expect(await status()).toBe('unhealthy');
  });

  it('writes into the audit log who was let in, and by which key', async () => {
    const { admit, sign, services, name, kid } = await cluster();
    await admit(await sign());
    const { items } = await services.audit.list(`buildClusters/${name.toLowerCase()}`, {
      pageSize: 10,
      continuation: null,
    });
    expect(items).toContainEqual(
      expect.objectContaining({ action: 'admitWorker', actor: 'worker w1', reason: `signed with the key ${kid}` }),
    );
  });
});
