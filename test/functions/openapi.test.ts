import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allRoutes, openApiText } from '../../functions/description';

describe('the OpenAPI document', () => {
  it('is the one that the schemas say (run `npm run openapi` after a change)', () => {
    expect(readFileSync(join(__dirname, '..', '..', 'openapi.json'), 'utf8')).toBe(openApiText());
  });

  it('has a unique operation for every route', () => {
    const ids = allRoutes().map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('describes a problem for every refusal', () => {
    const refusals = allRoutes().flatMap(({ operationId, responses }) =>
      Object.entries(responses)
        .filter(([status]) => Number(status) >= 400)
        .map(([status, { mediaType }]) => ({ operationId, status, mediaType })),
    );
    expect(refusals.filter(({ mediaType }) => mediaType !== 'application/problem+json')).toEqual([]);
  });
});
