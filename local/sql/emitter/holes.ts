/**
 * A compiled statement keeps a hole where T-SQL names a variable or asks for session state (@@ROWCOUNT, ERROR_MESSAGE()).
 * The interpreter fills them with constants each time it runs the statement, so that one compilation serves a whole loop.
 */
export const hole = (name: string): string => `\u0001${name}\u0002`;

export const fillHoles = (sql: string, value: (name: string) => string): string =>
  sql.replace(/\u0001([^\u0002]*)\u0002/g, (_, name: string) => value(name));
