import { checkServers } from '../../../lib/targets/servers';

function refused(servers: readonly string[], allowed: readonly string[]): (string | undefined)[] {
  const targets = servers.map((server, index) => ({ server, line: index + 1 }));
  return checkServers(targets, allowed).map(({ message }) => message.split(' ')[0]);
}

test('a suffix allows what ends in it, a host allows itself', () => {
  const servers = ['a.database.windows.net', 'A.DATABASE.WINDOWS.NET', 'localhost', 'localhost.evil'];
  expect(refused(servers, ['.Database.Windows.net', 'localhost'])).toEqual(['localhost.evil']);
});

test.each([
  'good.database.windows.net.evil',
  'evildatabase.windows.net',
  'database.windows.net',
  'good@evil.database.windows.net',
  'x;.database.windows.net',
  'x=.database.windows.net',
  'x\\.database.windows.net',
  '169.254.169.254',
  '::1',
])('%s is not let through by a suffix', (server) => {
  expect(refused([server], ['.database.windows.net'])).toEqual([server]);
});

test('an address needs its own entry', () => {
  expect(refused(['127.0.0.1', '::1', '10.0.0.4'], ['127.0.0.1', '[::1]', '.4'])).toEqual(['10.0.0.4']);
});

test('nothing is allowed by an empty list, an empty entry or a lone dot', () => {
  expect(refused(['srv1'], [])).toEqual(['srv1']);
  expect(refused(['srv1', 'srv2.'], ['', ' ', '.'])).toEqual(['srv1', 'srv2.']);
});

test('a server is reported once, on its first line, with the number of its targets', () => {
  const targets = [7, 8, 9].map((line) => ({ server: 'evil', line }));
  const [problem, ...others] = checkServers(targets, ['.good']);
  expect(others).toEqual([]);
  expect(problem).toMatchObject({ code: 'targets.server.notAllowed', entry: null, line: 7 });
  expect(problem?.message).toContain('(3 targets)');
});
