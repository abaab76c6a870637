import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * What can be read of a Bicep file without its compiler: enough to see that names which one file uses exist in the other. It
 * knows no types and no resource schemas.
 */
export interface BicepFile {
  path: string;
  /** Without comments; texts are kept. */
  code: string;
  parameters: { name: string; required: boolean }[];
  outputs: string[];
  modules: { name: string; path: string; parameters: string[] }[];
  resources: { name: string; type: string }[];
  variables: string[];
  /** JSON files that it reads, as paths. */
  jsonFiles: string[];
}

export function readBicep(path: string): BicepFile {
  const code = withoutComments(readFileSync(path, 'utf8'));
  const all = (pattern: RegExp): string[][] => [...code.matchAll(pattern)].map((match) => [...match]);
  return {
    path,
    code,
    parameters: all(/^param (\w+) [\w[\]]+( =)?/gm).map(([, name = '', given]) => ({
      name,
      required: given === undefined,
    })),
    outputs: all(/^output (\w+) /gm).map(([, name = '']) => name),
    modules: all(/^module (\w+) '([^']+)'/gm).map(([whole = '', name = '', file = '']) => ({
      name,
      path: join(dirname(path), file),
      parameters: keysOf(bodyOf(code, code.indexOf(whole)), 'params'),
    })),
    resources: all(/^\s*resource (\w+) '([^']+)'/gm).map(([, name = '', type = '']) => ({ name, type })),
    variables: all(/^var (\w+) =/gm).map(([, name = '']) => name),
    jsonFiles: all(/loadJsonContent\('([^']+)'/g).map(([, file = '']) => join(dirname(path), file)),
  };
}

/** @returns the first bracket that is not closed, or closes nothing, with its line; null: all match. */
export function unbalanced({ code }: BicepFile): string | null {
  const closers: Record<string, string> = { '{': '}', '[': ']', '(': ')' };
  const open: { expected: string; line: number }[] = [];
  let line = 1;
  let inText = false;
  for (let at = 0; at < code.length; at += 1) {
    const character = code[at] ?? '';
    if (character === '\n') line += 1;
    if (inText && character === '\\') at += 1;
    else if (inText && code.startsWith('${', at)) {
      open.push({ expected: 'text', line });
      inText = false;
      at += 1;
    } else if (character === "'") inText = !inText;
    else if (inText) continue;
    else if (character === '}' && open.at(-1)?.expected === 'text') {
      open.pop();
      inText = true;
    } else if (closers[character] !== undefined) open.push({ expected: closers[character], line });
    else if ('}])'.includes(character) && open.pop()?.expected !== character) return `${character} in line ${line}`;
  }
  const [first] = open;
  if (inText) return 'a text that does not end';
  return first === undefined ? null : `nothing closes line ${first.line}`;
}

function withoutComments(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      const quotes = (end: number): number => (line.slice(0, end).match(/(?<!\\)'/g) ?? []).length;
      for (let at = line.indexOf('//'); at >= 0; at = line.indexOf('//', at + 1)) {
        if (quotes(at) % 2 === 0) return line.slice(0, at);
      }
      return line;
    })
    .join('\n');
}

/** The text between the braces that open after `from`. */
function bodyOf(code: string, from: number): string {
  const start = code.indexOf('{', from);
  let depth = 0;
  for (let at = start; at < code.length; at += 1) {
    if (code[at] === '{') depth += 1;
    if (code[at] === '}' && (depth -= 1) === 0) return code.slice(start + 1, at);
  }
  return '';
}

/** Names on the first level of an object within a body. */
function keysOf(body: string, object: string): string[] {
  const at = body.search(new RegExp(`\\b${object}: \\{`));
  if (at < 0) return [];
  let depth = 0;
  return bodyOf(body, at)
    .split('\n')
    .flatMap((line) => {
      const key = depth === 0 ? /^\s*(\w+):/.exec(line)?.[1] : undefined;
      depth += (line.match(/[{[(]/g) ?? []).length - (line.match(/[}\])]/g) ?? []).length;
      return key ?? [];
    });
}
