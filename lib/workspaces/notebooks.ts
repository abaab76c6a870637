import { isObject } from './json';

/** The text of a notebook without what the service adds to it, or takes away. */
export function comparableSource(content: Buffer): string {
  const text = content
    .toString('utf8')
    .replace(/\r\n?/g, '\n')
    .replace(/^\ufeff/, '');
  return text.replace(/^(?:#|--|\/\/) Databricks notebook source\n?/, '').trim();
}

/** The cells of a Jupyter notebook: outputs, counts and the kernel's data are nobody's source. */
export function comparableJupyter(content: Buffer): string | null {
  try {
    const notebook: unknown = JSON.parse(content.toString('utf8'));
    if (!isObject(notebook) || !Array.isArray(notebook.cells)) return null;
    return notebook.cells
      .map((cell: unknown) => {
        const { cell_type: type, source } = isObject(cell) ? cell : {};
        return `${String(type)}\n${(Array.isArray(source) ? source.join('') : String(source)).trim()}`;
      })
      .join('\n\u0000\n');
  } catch {
    return null;
  }
}
