/**
 * The members of a JSON object, or null where it is none, or names a member twice at any depth: parsers disagree on which
 * of two counts, and what was signed must mean one thing.
 */
export function strictJsonObject(text: string): Record<string, unknown> | null {
  if (hasDuplicateMembers(text)) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

/** Walks the tokens of JSON; whether the text is JSON at all, the parser decides afterwards. */
function hasDuplicateMembers(text: string): boolean {
  const open: (Set<string> | null)[] = [];
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;
  let name: string | null = null;
  for (const [token] of text.matchAll(tokens)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const members = open.at(-1);
      if (name === null || members === undefined || members === null) continue;
      if (members.has(name)) return true;
      members.add(name);
      name = null;
    } else name = unescaped(token);
  }
  return false;
}

/** `"\u0065xp"` is `exp`. */
function unescaped(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch {
    return token;
  }
}
