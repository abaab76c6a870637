import { z } from 'zod';
import { checkInput } from '../../../lib/platform/schema-problems';

const schema = z.strictObject({
  name: z.string().min(1).max(5),
  limit: z.coerce.number().int().min(1).max(9).default(3),
  kind: z.enum(['Count', 'Server']).default('Count'),
  trial: z.boolean().default(false),
  items: z.array(z.string()).max(1).default([]),
  path: z.string().startsWith('a', 'begins with an a').default('a'),
});

describe('input that does not fit its schema', () => {
  it.each([
    [{}, 'body.name', 'is missing'],
    [{ name: '' }, 'body.name', 'must not be empty'],
    [{ name: 'longer' }, 'body.name', 'must have at most 5 characters'],
    [{ name: 1 }, 'body.name', 'must be text'],
    [{ name: 'a', limit: 0 }, 'body.limit', 'must be at least 1'],
    [{ name: 'a', limit: 'many' }, 'body.limit', 'must be a number'],
    [{ name: 'a', limit: 1.5 }, 'body.limit', 'must be a whole number'],
    [{ name: 'a', kind: 'Sever' }, 'body.kind', 'must be one of Count, Server'],
    [{ name: 'a', trial: 'yes' }, 'body.trial', 'must be true or false'],
    [{ name: 'a', items: ['x', 'y'] }, 'body.items', 'must have at most 1 items'],
    [{ name: 'a', path: 'b' }, 'body.path', 'begins with an a'],
    [{ name: 'a', tiral: true }, 'body.tiral', 'is not known here; leave it out, or correct its name'],
    [null, 'body', 'must be an object'],
  ])('%j: %s %s', (value, entry, message) => {
    expect(checkInput(schema, value, 'some.code', 'body')).toEqual({
      success: false,
      problems: [{ code: 'some.code', message, entry, line: null }],
    });
  });

  it('is told of completely, one problem for each unknown name', () => {
    const checked = checkInput(schema, { name: 1, x: 1, y: 2 }, 'some.code', 'body');
    expect(checked).toMatchObject({
      problems: [{ entry: 'body.name' }, { entry: 'body.x' }, { entry: 'body.y' }],
    });
  });
});
