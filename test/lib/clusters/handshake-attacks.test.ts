import { createHash, generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { signToken } from '../../../cli/worker/sign';
import { createTestClusters, newKey } from '../../support/clusters';
import { startTestDocuments, type TestDocuments } from '../../support/documents';
import { type Algorithm, base64url, by, clusterWithWorker, external } from '../../support/worker-tokens';

/** The order of P-256: (r, n − s) is a signature wherever (r, s) is one. */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const hex64 = (value: bigint): string => value.toString(16).padStart(64, '0');
const p1363 = (r: bigint, s: bigint): string => base64url(Buffer.from(hex64(r) + hex64(s), 'hex'));

describe('the handshake with workers that mean ill', () => {
  let documents: TestDocuments;
  beforeAll(async () => {
    documents = await startTestDocuments();
  });
  afterAll(() => documents.stop());
  const cluster = (algorithm: Algorithm = 'ES256') => clusterWithWorker(documents, algorithm);

  it('admits what its own raw signer makes, so that the refusals below are for what they say', async () => {
    for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const) {
      const { admit, signRaw, kid } = await cluster(algorithm);
      await expect(admit(signRaw(base64url(JSON.stringify({ alg: algorithm, kid }))))).resolves.toBeDefined();
    }
  });

  describe('takes no header beyond alg, kid and typ, also when the right key signed it', () => {
    it.each([
      ['crit', { crit: ['exp'], exp: 1 }],
      ['an empty crit', { crit: [] }],
      ['an unencoded payload', { b64: false, crit: ['b64'] }],
      ['b64 alone', { b64: true }],
      ['a certificate', { x5c: ['AAAA'] }],
      ['a thumbprint', { 'x5t#S256': 'AAAA' }],
      ['compression', { zip: 'DEF' }],
      ['encryption', { enc: 'A256GCM' }],
      ['another type', { typ: 'at+jwt' }],
      ['a type that is a list', { typ: ['JWT'] }],
      ['a claim', { iss: 'x' }],
      ['an algorithm in other letters', { alg: 'es256' }],
      ['a list of algorithms', { alg: ['ES256'] }],
      ['a kid in a list', { kid: ['k'] }],
      ['a prototype', JSON.parse('{"__proto__":{"alg":"ES256"}}')],
    ])('%s', async (_what, header: object) => {
      const { refusal, signRaw, kid } = await cluster();
      await refusal(signRaw(base64url(JSON.stringify({ alg: 'ES256', kid, ...header }))));
    });
  });

  it('takes no header that parsers could read in two ways', async () => {
    const { refusal, signRaw, kid } = await cluster();
    const other = (await cluster()).kid;
    for (const text of [
      `{"alg":"none","alg":"ES256","kid":"${kid}"}`,
      `{"alg":"ES256","kid":"${other}","kid":"${kid}"}`,
      `{"alg":"ES256","kid":"${other}","k\\u0069d":"${kid}"}`,
      `\ufeff{"alg":"ES256","kid":"${kid}"}`,
      `{"alg":"ES256","kid":"${kid}"}{}`,
      `{"alg":"ES256","kid":"${kid}",}`,
      `[{"alg":"ES256","kid":"${kid}"}]`,
      `{"alg":"ES256","kid":"${kid}\\u0000"}`,
    ]) {
      await refusal(signRaw(base64url(text)));
    }
    const header = base64url(JSON.stringify({ alg: 'ES256', kid }));
    for (const part of [`${header}=`, `${header}==`, header.replace(/^./, '+'), ` ${header}`])
      await refusal(signRaw(part));
  });

  it('takes no claims that are not the plain ones, whatever hides in them', async () => {
    const { refusal, signRaw, kid, claims } = await cluster();
    const header = base64url(JSON.stringify({ alg: 'ES256', kid }));
    const good = JSON.stringify(claims());
    for (const text of [
      `{"__proto__":${good}}`,
      good.replace('"sub"', '"sub\\u0000"'),
      good.replace('"aud":"sqlfleet"', '"aud":{"toString":"sqlfleet"}'),
      good.replace('"aud":"sqlfleet"', '"aud":"sqlfleet\\u0000"'),
      good.replace('"aud":"sqlfleet"', '"aud":"sqlfleet","aud":"sqlfleet"'),
      good.replace('"aud":"sqlfleet"', '"aud":"ѕqlfleet"'),
      good.replace(/"exp":(\d+)/, '"exp":"$1"'),
      good.replace(/"exp":(\d+)/, '"exp":[$1]'),
      good.replace(/"exp":(\d+)/, '"exp":$1.5'),
      good.replace(/"exp":(\d+)/, '"exp":1e400'),
      good.replace(/"exp":(\d+)/, '"exp":253402300799'),
      good.replace(/"exp":(\d+)/, '"exp":true'),
    ]) {
      expect(text).not.toBe(good);
      await refusal(signRaw(header, base64url(text)));
    }
    // Bytes that are no text at all.
    await refusal(
      signRaw(header, base64url(Buffer.concat([Buffer.from(good.slice(0, 9)), Buffer.from([0xff, 0xfe])]))),
    );
  });

  it('takes no tokens of other shapes: encrypted, of several parts, or as an object', async () => {
    const { refusal, sign } = await cluster();
    const token = await sign();
    const [header = '', payload = '', signature = ''] = token.split('.');
    for (const text of [
      `${token}.${signature}`,
      `${header}..${payload}.${signature}.${signature}`,
      `${header}.${payload}.`,
      `${header}..${signature}`,
      `.${payload}.${signature}`,
      JSON.stringify({ protected: header, payload, signature }),
      `Bearer ${token}`,
      `${token}#`,
      token.replaceAll('.', '．'),
      `${header}.${payload}.${'A'.repeat(9_000)}`,
    ]) {
      await refusal(text);
    }
  });

  it('takes no signature on P-256 that is not one: zeros, the order, DER, or too long', async () => {
    const { refusal, sign, key, kid, claims } = await cluster();
    const [header = '', payload = ''] = (await sign()).split('.');
    const numbers = [0n, 1n, order - 1n, order];
    for (const r of numbers) for (const s of numbers) await refusal(`${header}.${payload}.${p1363(r, s)}`);
    const text = `${base64url(JSON.stringify({ alg: 'ES256', kid }))}.${base64url(JSON.stringify(claims()))}`;
    const der = signBytes('sha256', Buffer.from(text), { key: key.privateKey, dsaEncoding: 'der' });
    await refusal(`${text}.${base64url(der)}`);
    const flat = signBytes('sha256', Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
    await refusal(`${text}.${base64url(Buffer.concat([flat, Buffer.alloc(1)]))}`);
    await refusal(`${text}.${base64url(Buffer.concat([Buffer.alloc(1), flat]))}`);
    await refusal(`${text}.${base64url(flat.subarray(0, 63))}`);
  });

  it('takes no signature of another curve, hash or padding that says it is the pinned one', async () => {
    const ec = await cluster('ES256');
    const text = (kid: string, alg: string, claims: object) =>
      `${base64url(JSON.stringify({ alg, kid }))}.${base64url(JSON.stringify(claims))}`;
    for (const namedCurve of ['P-384', 'P-521', 'secp256k1']) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve });
      const signed = text(ec.kid, 'ES256', ec.claims());
      const signature = signBytes('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      await ec.refusal(`${signed}.${base64url(signature)}`);
    }
    const sha384 = text(ec.kid, 'ES256', ec.claims());
    const wrongHash = signBytes('sha384', Buffer.from(sha384), { key: ec.key.privateKey, dsaEncoding: 'ieee-p1363' });
    await ec.refusal(`${sha384}.${base64url(wrongHash)}`);

    const rsa = await cluster('RS256');
    const pss = text(rsa.kid, 'RS256', rsa.claims());
    const padded = signBytes('sha256', Buffer.from(pss), { key: rsa.key.privateKey, padding: 6 });
    await rsa.refusal(`${pss}.${base64url(padded)}`);
    for (const hash of ['sha1', 'md5', 'sha512']) {
      const signed = text(rsa.kid, 'RS256', rsa.claims());
      await rsa.refusal(`${signed}.${base64url(signBytes(hash, Buffer.from(signed), rsa.key.privateKey))}`);
    }
    await rsa.refusal(`${pss}.${base64url(Buffer.alloc(256))}`);
    await rsa.refusal(`${pss}.${base64url(Buffer.alloc(256, 0xff))}`);

    const ed = await cluster('EdDSA');
    const ed448 = text(ed.kid, 'EdDSA', ed.claims());
    const foreign = generateKeyPairSync('ed448').privateKey;
    await ed.refusal(`${ed448}.${base64url(signBytes(null, Buffer.from(ed448), foreign))}`);
    await ed.refusal(`${ed448}.${base64url(Buffer.alloc(64))}`);
    await ed.refusal(
      `${ed448}.${base64url(signBytes(null, createHash('sha512').update(ed448).digest(), ed.key.privateKey))}`,
    );
  });

  it('takes one token once, also with its signature written in another way', async () => {
    const { admit, refusal, sign } = await cluster('ES256');
    const token = await sign();
    const [header = '', payload = '', signature = ''] = token.split('.');
    await admit(token);
    const bytes = Buffer.from(signature, 'base64url').toString('hex');
    const [r, s] = [BigInt(`0x${bytes.slice(0, 64)}`), BigInt(`0x${bytes.slice(64)}`)];
    expect(await refusal(`${header}.${payload}.${p1363(r, order - s)}`)).toContain('used before');
  });

  it('takes one jti once: on every instance, after a restart, by another key, and after the token has expired', async () => {
    const { admit, refusal, sign, signText, claims, name, registry, time } = await cluster();
    const next = newKey('ec');
    const { id } = await registry.addKey(name, next.publicJwk, by, null);
    const jti = 'only-once';
    const token = await sign({ jti });
    await admit(token);
    const restarted = createTestClusters({ documents }).services.handshake;
    await expect(restarted.admit(name, token, 'w2')).rejects.toThrow('used before');
    const again = await signText(JSON.stringify({ ...claims(), jti }), { kid: id }, next.privateJwk);
    expect(await refusal(again)).toContain('used before');
    time.nowMs += 150_000;
    expect(await refusal(token)).toContain('expired');
    expect(await refusal(await sign({ jti }))).toContain('used before');
  });

  it('lets one of many in who show the same token at once on two instances', async () => {
    const { sign, name } = await cluster();
    const token = await sign();
    const instances = [createTestClusters({ documents }), createTestClusters({ documents })];
    const answers = await Promise.allSettled(
      Array.from({ length: 10 }).flatMap((_, index) =>
        instances.map(({ services }) => services.handshake.admit(name, token, `w${index}`)),
      ),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('holds a worker to the sign options as they are now', async () => {
    const { registry, name, sign, refusal, admit } = await cluster();
    const prepared = await sign();
    await registry.patch(name, { signOptions: { audience: 'elsewhere', expires: 30 } }, by, null);
    expect(await refusal(prepared)).toContain('aud');
    expect(await refusal(await sign({ aud: 'elsewhere' }))).toContain('30 seconds');
    await registry.patch(name, { signOptions: null }, by, null);
    await expect(admit(await sign())).resolves.toBeDefined();
  });

  it('revokes at once and everywhere: the next call of a running worker is refused on another instance too', async () => {
    const { admit, sign, name, kid, registry } = await cluster();
    const { accessToken } = await admit(await sign());
    const other = createTestClusters({ documents }).services;
    await expect(other.handshake.authenticate(name, accessToken)).resolves.toBeDefined();
    await registry.revokeKey(name, kid, by, null);
    await expect(other.handshake.authenticate(name, accessToken)).rejects.toMatchObject({ status: 401 });
    await expect(other.handshake.admit(name, await sign(), 'w1')).rejects.toMatchObject({ status: 401 });
    // Also when all keys are replaced by PUT.
    await expect(
      registry.put(name, { ...external, keys: [newKey().publicJwk] }, by, { ifMatch: null, mustBeNew: false }),
    ).resolves.toMatchObject({ created: false });
    await expect(other.handshake.admit(name, await sign(), 'w1')).rejects.toMatchObject({ status: 401 });
  });

  it('lets nobody in while the cluster is switched off, but those who have builds to end', async () => {
    const { admit, sign, name, registry, references, refusal, signText, claims } = await cluster();
    const inactive = { code: 'clusters.handshake.inactive', status: 403 };
    await registry.patch(name, { isActive: false }, by, null);
    await expect(admit(await sign())).rejects.toMatchObject(inactive);
    // Only to who has the key: others learn nothing of it.
    await refusal(await signText(JSON.stringify(claims()), {}, newKey('ec').privateJwk));
    const token = await sign();
    references.set(name.toLowerCase(), ['build-1']);
    await expect(admit(token)).resolves.toBeDefined();
    references.clear();
    await expect(admit(await sign())).rejects.toMatchObject(inactive);
    await registry.patch(name, { isActive: true }, by, null);
    await expect(admit(await sign())).resolves.toBeDefined();
  });

  it('lets workers of a cluster that is being deleted end what they have, and nobody afterwards', async () => {
    const { admit, sign, name, registry, services, references, refusal, handshake } = await cluster();
    await registry.register(`${name}-next`, external, by);
    references.set(name.toLowerCase(), ['build-1']);
    await services.life.remove(name, `${name}-next`, by, null);
    const { accessToken } = await admit(await sign());
    await expect(handshake.authenticate(name, accessToken)).resolves.toBeDefined();
    references.clear();
    await expect(admit(await sign())).rejects.toMatchObject({ code: 'clusters.handshake.inactive' });
    await services.life.settle();
    await refusal(await sign());
    await expect(handshake.authenticate(name, accessToken)).rejects.toMatchObject({ status: 401 });
  });

  it('lets nobody in before the queue is there', async () => {
    const clusters = createTestClusters({ documents });
    clusters.subscriptions.away = true;
    const key = newKey('ec');
    const { value } = await clusters.services.registry.register('Early', { ...external, key: key.publicJwk }, by);
    const signing = { issuer: 'Early', subject: 'Early', audience: 'sqlfleet', lifetimeSeconds: 60, keyId: null };
    const text = JSON.stringify({ ...key.privateJwk, kid: value.keys[0]?.id });
    const token = await signToken(text, signing, { nowMs: clusters.time.nowMs, newId: () => 'early' });
    await expect(clusters.services.handshake.admit('Early', token, 'w1')).rejects.toMatchObject({ status: 401 });
  });

  it('says the same to strangers, whether the cluster is there or not', async () => {
    const { refusal, sign, name, kid } = await cluster();
    const stranger = await cluster();
    const [there, nowhere] = [
      await refusal(await stranger.sign(), name),
      await refusal(await sign(), 'no-such-cluster'),
    ];
    expect(there).toBe(nowhere);
    expect(await refusal(await stranger.sign({}, { kid }), name)).toBe(there);
    for (const odd of ['../east', 'a/b', '', 'managed', '%2e%2e']) {
      await expect(stranger.handshake.admit(odd === '' ? '-' : odd, await stranger.sign(), 'w')).rejects.toThrow();
    }
  });
});
