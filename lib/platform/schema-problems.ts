import { z } from 'zod';
import { type InputProblem } from './errors';

/** A value that came from outside, checked; or everything that is wrong with it, in words for whoever sent it. */
export type CheckedInput<T> = { success: true; data: T } | { success: false; problems: InputProblem[] };

/**
 * Checks input by its schema. Each problem names its place below `place` and says what is expected there; what a schema
 * says itself goes before our words.
 */
export function checkInput<T>(schema: z.ZodType<T>, value: unknown, code: string, place: string): CheckedInput<T> {
  const result = schema.safeParse(value, { error: inWords });
  if (result.success) return result;
  const problems = result.error.issues.flatMap((issue) => {
    const problem = (message: string, ...below: PropertyKey[]): InputProblem => ({
      code,
      message,
      entry: [place, ...issue.path, ...below].filter((part) => part !== '').join('.'),
      line: null,
    });
    if (issue.code !== 'unrecognized_keys') return [problem(issue.message)];
    return issue.keys.map((key) => problem('is not known here; leave it out, or correct its name', key));
  });
  return { success: false, problems };
}

const kinds: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/** Null leaves an issue to the library's words. */
function inWords(issue: z.core.$ZodRawIssue): string | null {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing' : `must be ${kinds[issue.expected] ?? issue.expected}`;
    case 'invalid_value': {
      const expected = `must be one of ${issue.values.map(String).join(', ')}`;
      return issue.input === undefined ? `is missing; it ${expected}` : expected;
    }
    case 'too_small':
      if (issue.origin === 'string' && issue.minimum === 1) return 'must not be empty';
      return `must ${amount(issue.origin, `at least ${issue.minimum}`)}`;
    case 'too_big':
      return `must ${amount(issue.origin, `at most ${issue.maximum}`)}`;
    default:
      return null;
  }
}

function amount(origin: string, bound: string): string {
  if (origin === 'string') return `have ${bound} characters`;
  if (origin === 'array' || origin === 'set') return `have ${bound} items`;
  return `be ${bound}`;
}
