/** Whether `text` has the form of `pattern`, in which `*` stands for anything, also for nothing. Upper and lower case are the same. */
export function matchesGlob(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.toLowerCase().split('*');
  const subject = text.toLowerCase();
  const last = rest.pop();
  if (last === undefined) return subject === first;
  if (!subject.startsWith(first)) return false;
  let position = first.length;
  for (const part of rest) {
    const found = subject.indexOf(part, position);
    if (found === -1) return false;
    position = found + part.length;
  }
  return subject.length - last.length >= position && subject.endsWith(last);
}
