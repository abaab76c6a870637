/** A catalog view: T-SQL columns as `name:type ...`, and the PostgreSQL query that answers them in that order. */
export interface SystemView {
  columns: string;
  /** $db and $spid are replaced by the session's database and id. */
  sql: string;
}
