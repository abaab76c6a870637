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
