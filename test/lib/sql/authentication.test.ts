import { createTokenSource } from '../../../lib/sql/authentication';

function setUp(lifetimeMs = 3_600_000) {
  let nowMs = 0;
  const scopes: string[] = [];
  let fails = false;
  const source = createTokenSource({
    nowMs: () => nowMs,
    credential: {
      async getToken(scope) {
        scopes.push(scope);
        await Promise.resolve();
        if (fails) throw new Error('identity endpoint is throttling');
        return { token: `token ${scopes.length}`, expiresOnTimestamp: nowMs + lifetimeMs };
      },
    },
  });
  return { source, scopes, pass: (ms: number) => (nowMs += ms), fail: (now: boolean) => (fails = now) };
}

it('asks once for however many logins', async () => {
  const { source, scopes } = setUp();
  const answers = await Promise.all(Array.from({ length: 50 }, () => source()));
  expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
    new Set(['{"kind":"token","token":"token 1"}']),
  );
  expect(scopes).toEqual(['https://database.windows.net/.default']);
});

it('asks again some minutes before the token expires', async () => {
  const { source, scopes, pass } = setUp();
  await source();
  pass(54 * 60_000);
  await source();
  expect(scopes).toHaveLength(1);
  pass(2 * 60_000);
  expect(await source()).toEqual({ kind: 'token', token: 'token 2' });
});

it('asks again after a failure, which is not kept', async () => {
  const { source, fail } = setUp();
  fail(true);
  await expect(source()).rejects.toThrow('throttling');
  fail(false);
  expect(await source()).toMatchObject({ kind: 'token' });
});
