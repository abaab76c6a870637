import { parseArgs, type ParseArgsConfig } from 'node:util';
import { type InputProblem } from '../../lib/platform/errors';
import { usageProblem } from './command';

/** What a subcommand takes. A positional that ends in `?` may be missing. */
export interface ArgumentsShape {
  positionals?: readonly string[];
  texts?: readonly string[];
  flags?: readonly string[];
}

export interface Arguments {
  positional(index: number): string | undefined;
  text(name: string): string | undefined;
  flag(name: string): boolean;
  problems: InputProblem[];
}

/** Options of every subcommand that talks to the app. */
export const appTexts = ['url', 'key'] as const;
const everywhere = ['json'];

/** Takes a command line apart. Whatever is wrong with it becomes a problem, so that all of them are told at once. */
export function readArguments(args: readonly string[], shape: ArgumentsShape): Arguments {
  const expected = shape.positionals ?? [];
  const textNames = new Set(shape.texts ?? []);
  const flagNames = new Set([...everywhere, ...(shape.flags ?? [])]);
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const name of textNames) options[name] = { type: 'string' };
  for (const name of flagNames) options[name] = { type: 'boolean' };
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const problems: InputProblem[] = [];
  const problem = (entry: string, message: string): void => void problems.push(usageProblem(entry, message));
  const texts = new Map<string, string>();
  const flags = new Set<string>();
  const positionals: string[] = [];

  for (const token of tokens) {
    if (token.kind === 'positional') {
      positionals.push(token.value);
      if (positionals.length > expected.length) problem(token.value, 'is one argument too many');
    } else if (token.kind === 'option') {
      const { name, rawName, value, inlineValue } = token;
      if (textNames.has(name)) {
        // `--reason --json`: somebody forgot the reason. `--reason=--json` is how to mean it.
        if (value === undefined || value === '' || (inlineValue === false && value.startsWith('--'))) {
          problem(rawName, 'needs a value');
        } else if (texts.has(name)) problem(rawName, 'is given twice');
        else texts.set(name, value);
      } else if (!flagNames.has(name)) problem(rawName, 'is not known here');
      else if (value !== undefined) problem(rawName, 'takes no value');
      else flags.add(name);
    }
  }
  for (const name of expected.slice(positionals.length)) {
    if (!name.endsWith('?')) problem(`<${name}>`, 'is missing');
  }
  return {
    positional: (index) => positionals[index],
    text: (name) => texts.get(name),
    flag: (name) => flags.has(name),
    problems,
  };
}

/** The id of a build. It goes into a path, so nothing else is taken for one. */
export function buildIdOf(given: Arguments): string {
  const id = given.positional(0) ?? '';
  if (id !== '' && !/^[\w-]{1,64}$/.test(id)) {
    given.problems.push(usageProblem(id.slice(0, 80), 'is not the id of a build'));
  }
  return id;
}
