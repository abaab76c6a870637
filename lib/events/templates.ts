import { AppError } from '../platform/errors';

/** What a deployment put out, by name. */
export type DeploymentOutputs = Readonly<Record<string, unknown>>;

const placeholder = /\$\{outputs\.([\w-]+)\}/g;

/**
 * Replaces `${outputs.name}` in every text of `template`. A list becomes one line for each item, so that it can be a list of
 * targets. Control characters in a value are refused: they would end the line that the author of the template wrote.
 *
 * @throws AppError `events.template` for outputs that are missing, or are not plain values
 */
export function filledIn(template: unknown, outputs: DeploymentOutputs): unknown {
  if (typeof template === 'string') {
    return template.replace(placeholder, (_match, name: string) => outputText(name, outputs));
  }
  if (Array.isArray(template)) return template.map((item) => filledIn(item, outputs));
  if (typeof template === 'object' && template !== null) {
    return Object.fromEntries(Object.entries(template).map(([name, value]) => [name, filledIn(value, outputs)]));
  }
  return template;
}

export function needsOutputs(template: unknown): boolean {
  return JSON.stringify(template).includes('${outputs.');
}

function outputText(name: string, outputs: DeploymentOutputs): string {
  if (!Object.hasOwn(outputs, name)) {
    const known = Object.keys(outputs).join(', ');
    throw wrong(`the deployment has no output "${name}"${known === '' ? '' : `; it has ${known}`}`);
  }
  const value = outputs[name];
  return (Array.isArray(value) ? value : [value]).map((item) => plain(name, item)).join('\n');
}

function plain(name: string, value: unknown): string {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
    throw wrong(`the output "${name}" is no text, number or list of them`);
  }
  const text = String(value);
  if (/\p{Cc}/u.test(text)) throw wrong(`the output "${name}" has control characters`);
  return text;
}

function wrong(what: string): AppError {
  return new AppError('events.template', `The route cannot be filled in: ${what}.`, { status: 422 });
}
