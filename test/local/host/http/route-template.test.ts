import { parseRouteTemplate } from '../../../../local/host/http/route-template';

describe('a route template', () => {
  test.each([
    ['builds', '/builds', {}],
    ['builds', '/BUILDS/', {}],
    ['builds', '/builds/1', null],
    ['a.b', '/aXb', null],
    ['builds/{id}', '/builds/7', { id: '7' }],
    ['builds/{id}', '/builds/', null],
    ['builds/{id?}', '/builds', {}],
    ['builds/{id=latest}', '/builds', { id: 'latest' }],
    ['builds/{id:int=5}', '/builds/x', null],
    ['builds/{id:int}', '/builds/-12', { id: '-12' }],
    ['builds/{id:int}', '/builds/99999999999', null],
    ['logs/{*path}', '/logs/a/b%20c/d', { path: 'a/b c/d' }],
    ['logs/{**path}', '/logs', {}],
    ['logs/{name}.{extension}', '/logs/build.sql', { name: 'build', extension: 'sql' }],
    ['v{version:int}/x', '/v2/x', { version: '2' }],
    ['{id:guid}', '/00000000-0000-0000-0000-000000000000', { id: '00000000-0000-0000-0000-000000000000' }],
    ['{id:guid}', '/7', null],
    ['{word:alpha:length(2,3)}', '/abc', { word: 'abc' }],
    ['{word:alpha:length(2,3)}', '/abcd', null],
    ['{n:range(1,9)}', '/10', null],
    ['{n:min(3)}', '/3', { n: '3' }],
    ['{code:regex(^\\d{{3}}$)}', '/123', { code: '123' }],
    ['{code:regex(^\\d{{3}}$)}', '/1234', null],
    ['{name}', '/a%2Fb', { name: 'a%2Fb' }],
    ['{name}', '/100%', { name: '100%' }],
    ['{on:bool}', '/TRUE', { on: 'TRUE' }],
  ])('%s against %s', (template, path, expected) => {
    expect(parseRouteTemplate(template).match(path)).toEqual(expected);
  });

  test.each(['{id:primes}', '{id', 'a}', '{a?}-{b}', '{}'])('%s is refused', (template) => {
    expect(() => parseRouteTemplate(template)).toThrow(/The route|the route/);
  });
});
