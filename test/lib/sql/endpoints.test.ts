import { createEndpointResolver } from '../../../lib/sql/endpoints';

it('reaches a server by its own name at the port of the target, or 1433', () => {
  const resolve = createEndpointResolver();
  expect(resolve('a.example', null)).toEqual({ host: 'a.example', port: 1433, serverName: 'a.example' });
  expect(resolve('a.example', 1500)).toMatchObject({ port: 1500 });
});

it('reaches a server of the map at its host and port, and keeps its name', () => {
  const resolve = createEndpointResolver(new Map([['a.example', { host: '127.0.0.1', port: 5000 }]]));
  expect(resolve('A.example', 1500)).toEqual({ host: '127.0.0.1', port: 5000, serverName: 'A.example' });
  expect(resolve('b.example', null)).toMatchObject({ host: 'b.example' });
});

it('reaches servers that no entry names through the gateway of their domain, or of all, the most exact one first', () => {
  const resolve = createEndpointResolver(
    new Map([
      ['*', { host: 'all', port: 1 }],
      ['*.example', { host: 'domain', port: 2 }],
      ['*.inner.example', { host: 'inner', port: 3 }],
      ['a.example', { host: 'own', port: 4 }],
    ]),
  );
  expect(resolve('A.Example', 9)).toEqual({ host: 'own', port: 4, serverName: 'A.Example' });
  expect(resolve('b.example', 9)).toEqual({ host: 'domain', port: 2, serverName: 'b.example' });
  expect(resolve('b.inner.example', null)).toMatchObject({ host: 'inner' });
  expect(resolve('example', null)).toMatchObject({ host: 'all' });
});
