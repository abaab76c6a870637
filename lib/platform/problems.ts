import { type InputProblem } from './errors';

/** Collects the problems of one input. Remembers at most `limit` of them, so hostile input cannot fill memory with complaints. */
export interface ProblemList {
  add(code: string, message: string, entry?: string | null, line?: number | null): void;
  readonly count: number;
  /** What was remembered; when there were more, a last line says how many. */
  list(): InputProblem[];
}

/** @param moreCode code of the closing problem that stands for those beyond the limit. */
export function createProblemList(limit: number, moreCode: string): ProblemList {
  const remembered: InputProblem[] = [];
  let count = 0;
  return {
    add(code, message, entry = null, line = null) {
      count += 1;
      if (remembered.length < limit) remembered.push({ code, message, entry, line });
    },
    get count() {
      return count;
    },
    list() {
      if (count === remembered.length) return [...remembered];
      const message = `${count - remembered.length} more problems were found and are not listed.`;
      return [...remembered, { code: moreCode, message, entry: null, line: null }];
    },
  };
}
