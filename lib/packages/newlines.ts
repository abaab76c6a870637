const chunkCharacters = 1 << 16;

/**
 * `text.replace(pattern, newline)` for line ends, in little memory: a replacement with millions of matches leaves a
 * string made of millions of pieces behind, thirty bytes each. Never parts CR and LF.
 *
 * @param pattern matches one line end; without the `g` flag
 */
export function replaceNewlines(text: string, pattern: RegExp, newline: string): string {
  let result = '';
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + chunkCharacters);
    while (text[end - 1] === '\r' && end < text.length) end += 1;
    result += text.slice(start, end).split(pattern).join(newline);
    start = end;
  }
  return result;
}
