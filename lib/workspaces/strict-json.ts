/** Something that `JSON.parse` would pass over in silence, or tell without its place. */
export interface JsonFault {
  code: string;
  line: number;
  message: string;
}

const tokens = /\s+|"[^"\\]*(?:\\[^][^"\\]*)*"|-?\d[\d.eE+-]*|[{}[\],:]|true|false|null/y;
const nameEnd = /\s*:/y;
const mostFaults = 20;
const notJson = 'workspaces.asset.notJson';

/**
 * What is wrong with a JSON text beyond its grammar: members that are there twice, of which only one would count, numbers
 * that would become others, and names that are built to hurt. Signs that belong to no JSON end the search.
 */
export function findJsonFaults(text: string): JsonFault[] {
  const faults: JsonFault[] = [];
  /** Names of the objects around the place that is looked at; null stands for a list. */
  const around: (Set<string> | null)[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length && faults.length < mostFaults) {
    tokens.lastIndex = at;
    const [token] = tokens.exec(text) ?? [];
    if (token === undefined) {
      const message = /^\/[/*]/.test(text.slice(at, at + 2))
        ? 'JSON has no comments.'
        : `It is not JSON: ${JSON.stringify(text.slice(at, at + 12))} is no part of it.`;
      return [...faults, { code: notJson, line, message }];
    }
    at += token.length;
    if (token === '{') around.push(new Set());
    else if (token === '[') around.push(null);
    else if (token === '}' || token === ']') around.pop();
    else if (token.startsWith('"') && isName(text, at)) {
      const fault = faultOfName(token, around.at(-1) ?? null);
      if (fault !== null) faults.push({ ...fault, line });
    } else if (/^[-\d]/.test(token) && !isExact(token)) {
      const message = `The number ${token.slice(0, 40)} cannot be kept as it is.`;
      faults.push({ code: 'workspaces.asset.number', line, message });
    }
    line += token.split('\n').length - 1;
  }
  return faults;
}

/** The line of a position in a text, counted from 1. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length;
}

function isName(text: string, at: number): boolean {
  nameEnd.lastIndex = at;
  return nameEnd.test(text);
}

function faultOfName(token: string, names: Set<string> | null): Omit<JsonFault, 'line'> | null {
  const name = nameOf(token);
  if (name === '__proto__' || name === 'constructor') {
    return { code: 'workspaces.asset.name', message: 'No setting is called __proto__ or constructor.' };
  }
  if (names?.has(name) === true) {
    return { code: 'workspaces.asset.twice', message: `"${name.slice(0, 100)}" is there twice.` };
  }
  names?.add(name);
  return null;
}

/** Two spellings of one name are one name. */
function nameOf(token: string): string {
  try {
    const name: unknown = JSON.parse(token);
    return String(name);
  } catch {
    return token;
  }
}

function isExact(token: string): boolean {
  const value = Number(token);
  return Number.isFinite(value) && (!/^-?\d+$/.test(token) || Number.isSafeInteger(value));
}
