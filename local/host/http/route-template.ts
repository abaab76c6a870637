/** Route templates of ASP.NET, as far as HTTP triggers use them. */
export interface RouteTemplate {
  /** Parameters of the path, decoded; null when the path does not match. Optional parameters without a value are absent. */
  match(path: string): Record<string, string> | null;
}

type Check = (value: string) => boolean;
type Part = { literal: string } | Parameter;
interface Parameter {
  name: string;
  catchAll: boolean;
  optional: boolean;
  fallback: string | undefined;
  checks: readonly Check[];
}

const inSegment = /\{((?:[^{}]|\{\{|\}\})+)\}|([^{}]+)/gy;
const parameterForm = /^(\*{0,2})(\w+)((?::[^(:=?]+(?:\(.*?\))?(?=:|=|\?|$))*)(?:=([^?]*))?(\?)?$/s;
const constraintForm = /:([^(:]+)(?:\((.*?)\))?(?=:|$)/gs;
const guid = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;
const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** What a constraint does with its argument. Names are those of ASP.NET. */
const constraints: Record<string, (argument: string) => Check> = {
  int: () => (value) => /^[+-]?\d+$/.test(value) && Math.abs(Number(value)) <= 2 ** 31,
  long: () => (value) => /^[+-]?\d+$/.test(value),
  decimal: () => (value) => number.test(value),
  double: () => (value) => number.test(value),
  float: () => (value) => number.test(value),
  bool: () => (value) => /^(?:true|false)$/i.test(value),
  guid: () => (value) => guid.test(value),
  datetime: () => (value) => !Number.isNaN(Date.parse(value)),
  alpha: () => (value) => /^[a-z]+$/i.test(value),
  required: () => (value) => value !== '',
  minlength: (argument) => (value) => value.length >= Number(argument),
  maxlength: (argument) => (value) => value.length <= Number(argument),
  length: (argument) => (value) => between(value.length, argument),
  min: (argument) => (value) => number.test(value) && Number(value) >= Number(argument),
  max: (argument) => (value) => number.test(value) && Number(value) <= Number(argument),
  range: (argument) => (value) => number.test(value) && between(Number(value), argument),
  regex: (argument) => {
    const pattern = new RegExp(argument.replaceAll('{{', '{').replaceAll('}}', '}'), 'i');
    return (value) => pattern.test(value);
  },
};

/** @throws Error naming what is wrong with the template, or the constraint that is not known. */
export function parseRouteTemplate(template: string): RouteTemplate {
  const segments = template
    .split('/')
    .filter((segment) => segment !== '')
    .map((text) => parseSegment(text, template));
  const parameters = segments.flat().filter((part): part is Parameter => !('literal' in part));
  const pattern = new RegExp(`^${segments.map(segmentPattern).join('')}/?$`, 'is');
  return {
    match(path) {
      const found = pattern.exec(path);
      if (found === null) return null;
      const values: Record<string, string> = {};
      for (const [index, parameter] of parameters.entries()) {
        const raw = found[index + 1];
        const value = raw === undefined || raw === '' ? parameter.fallback : decode(raw);
        if (value === undefined) continue;
        if (!parameter.checks.every((check) => check(value))) return null;
        values[parameter.name] = value;
      }
      return values;
    },
  };
}

function parseSegment(text: string, template: string): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(inSegment)) {
    end += match[0].length;
    parts.push(match[1] === undefined ? { literal: match[0] } : parseParameter(match[1], template));
  }
  if (end !== text.length) throw new Error(`The route "${template}" has an unpaired brace.`);
  if (parts.length > 1 && parts.some((part) => !('literal' in part) && (part.catchAll || part.optional))) {
    throw new Error(`In the route "${template}" an optional or catch-all parameter shares its segment.`);
  }
  return parts;
}

function parseParameter(text: string, template: string): Parameter {
  const match = parameterForm.exec(text);
  const [, stars = '', name, constraintText = '', fallback, question] = match ?? [];
  if (name === undefined) throw new Error(`The route "${template}" has the unreadable parameter "{${text}}".`);
  const checks = [...constraintText.matchAll(constraintForm)].map(([, constraint = '', argument = '']) => {
    const make = constraints[constraint.toLowerCase()];
    if (make === undefined) throw new Error(`The route "${template}" has the unknown constraint "${constraint}".`);
    return make(argument);
  });
  return { name, catchAll: stars !== '', optional: question !== undefined || fallback !== undefined, fallback, checks };
}

function segmentPattern(parts: readonly Part[]): string {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined && !('literal' in first)) {
    if (first.catchAll) return '(?:/(.*))?';
    if (first.optional) return '(?:/([^/]+))?';
  }
  return `/${parts.map((part) => ('literal' in part ? escape(part.literal) : '([^/]+?)')).join('')}`;
}

function escape(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** An encoded slash stays encoded, as ASP.NET leaves it: otherwise a value could pretend to be two segments. */
function decode(raw: string): string {
  try {
    return raw.split(/%2f/i).map(decodeURIComponent).join('%2F');
  } catch {
    return raw;
  }
}

function between(value: number, bounds: string): boolean {
  const [low = NaN, high = low] = bounds.split(',').map(Number);
  return value >= low && value <= high;
}
