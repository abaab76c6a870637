import { type SqlType } from '../session';

/** A dotted name as written, for example ['dbo', 'Customer']. Case is kept; comparing is the catalog's affair. */
export type Path = readonly string[];

interface Node {
  /** 1-based line in the batch or module. */
  line: number;
}

export type BinaryOperator = '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^';
export type CompareOperator = '=' | '<>' | '<' | '<=' | '>' | '>=';

export interface Window {
  partitionBy: Expression[];
  orderBy: OrderItem[];
  /** ROWS/RANGE clause as text: keywords and integers only. */
  frame: string;
}

export type Expression = Node &
  (
    | {
        kind: 'literal';
        type: 'int' | 'decimal' | 'float' | 'money' | 'string' | 'nstring' | 'binary' | 'null';
        text: string;
      }
    | { kind: 'variable'; name: string }
    | { kind: 'column'; path: Path }
    | { kind: 'negate' | 'bitNot' | 'plus'; operand: Expression }
    | { kind: 'binary'; operator: BinaryOperator; left: Expression; right: Expression }
    | {
        kind: 'case';
        input: Expression | null;
        whens: { when: Expression; then: Expression }[];
        otherwise: Expression | null;
      }
    | { kind: 'searchedCase'; whens: { when: Condition; then: Expression }[]; otherwise: Expression | null }
    | { kind: 'cast'; operand: Expression; type: TypeName; style: Expression | null; try: boolean; name: string }
    | {
        kind: 'call';
        path: Path;
        args: Expression[];
        distinct: boolean;
        star: boolean;
        over: Window | null;
        orderWithin: OrderItem[];
      }
    | { kind: 'subquery'; query: Query }
    | { kind: 'collate'; operand: Expression; collation: string }
    | { kind: 'atTimeZone'; operand: Expression; zone: Expression }
    | { kind: 'nextValue'; path: Path }
    | { kind: 'default' }
  );

export type Condition = Node &
  (
    | { kind: 'compare'; operator: CompareOperator; left: Expression; right: Expression }
    | { kind: 'and' | 'or'; left: Condition; right: Condition }
    | { kind: 'not'; operand: Condition }
    | { kind: 'isNull'; operand: Expression; negated: boolean }
    | { kind: 'distinctFrom'; left: Expression; right: Expression; negated: boolean }
    | { kind: 'in'; operand: Expression; list: Expression[]; negated: boolean }
    | { kind: 'inQuery'; operand: Expression; query: Query; negated: boolean }
    | { kind: 'between'; operand: Expression; low: Expression; high: Expression; negated: boolean }
    | { kind: 'like'; operand: Expression; pattern: Expression; escape: Expression | null; negated: boolean }
    | { kind: 'exists'; query: Query }
    | { kind: 'quantified'; operator: CompareOperator; quantifier: 'any' | 'all'; operand: Expression; query: Query }
    | { kind: 'updated'; column: string }
  );

/** A type as written: a built-in one, or the name of an alias or table type. */
export interface TypeName extends Node {
  name: string;
  schema: string | null;
  /** Resolved for built-in types; null for user-defined ones. */
  type: SqlType | null;
  rowversion: boolean;
}

export interface OrderItem {
  expression: Expression;
  descending: boolean;
}

export interface CommonTable {
  name: string;
  columns: string[];
  query: Query;
  /** OPTION (MAXRECURSION n); 0 means without end. */
  maximumRecursion: number;
}

export interface Query extends Node {
  with: CommonTable[];
  body: QueryBody;
  orderBy: OrderItem[];
  offset: Expression | null;
  fetch: Expression | null;
  xml: XmlClause | null;
  json: JsonClause | null;
}

/** FOR XML. */
export interface XmlClause {
  mode: 'path' | 'raw' | 'auto';
  /** Name of each row's element; '' for none. */
  row: string;
  root: string | null;
  elements: boolean;
  type: boolean;
  /** Behind TYPE stood `.value('.', ...)`: the text is wanted as it is. */
  text: boolean;
}

/** FOR JSON. */
export interface JsonClause {
  mode: 'path' | 'auto';
  root: string | null;
  nulls: boolean;
  wrapper: boolean;
}

export type QueryBody =
  | Select
  | {
      kind: 'set';
      operator: 'union' | 'unionAll' | 'except' | 'intersect';
      left: QueryBody;
      right: QueryBody;
      line: number;
    }
  | { kind: 'values'; rows: Expression[][]; line: number }
  | { kind: 'nested'; query: Query; line: number };

export interface Top {
  count: Expression;
  percent: boolean;
  withTies: boolean;
}

export interface Select extends Node {
  kind: 'select';
  distinct: boolean;
  top: Top | null;
  items: SelectItem[];
  into: Path | null;
  from: TableSource[];
  where: Condition | null;
  groupBy: Expression[];
  /** ROLLUP, CUBE and GROUPING SETS: their words, and the keys by their places in `groupBy`. */
  groupSets: (string | number)[] | null;
  having: Condition | null;
}

/** `+=` as `+`; null for `=`. */
export const binaryOf = (operator: AssignOperator): BinaryOperator | null =>
  (['+', '-', '*', '/', '%', '&', '|', '^'] as const).find((binary) => operator === `${binary}=`) ?? null;

export type AssignOperator = '=' | '+=' | '-=' | '*=' | '/=' | '%=' | '&=' | '|=' | '^=';

export type SelectItem = Node &
  (
    | { kind: 'star'; path: Path }
    | { kind: 'expression'; expression: Expression; alias: string | null }
    | { kind: 'assign'; variable: string; operator: AssignOperator; expression: Expression }
  );

export type JoinKind = 'inner' | 'left' | 'right' | 'full' | 'cross' | 'crossApply' | 'outerApply';

export type TableSource = Node &
  (
    | { kind: 'table'; path: Path; alias: string | null; hints: string[] }
    | { kind: 'variable'; name: string; alias: string | null }
    | { kind: 'derived'; query: Query; alias: string; columns: string[] }
    | { kind: 'function'; path: Path; args: Expression[]; alias: string | null; columns: string[] }
    | { kind: 'xmlNodes'; operand: Expression; path: string; alias: string; column: string }
    | { kind: 'openJson'; args: Expression[]; schema: JsonColumn[] | null; alias: string | null }
    | {
        kind: 'pivot';
        source: TableSource;
        call: Extract<Expression, { kind: 'call' }>;
        column: string;
        values: string[];
        alias: string;
      }
    | { kind: 'unpivot'; source: TableSource; value: string; column: string; names: string[]; alias: string }
    | { kind: 'join'; join: JoinKind; left: TableSource; right: TableSource; on: Condition | null }
  );

/** A column of OPENJSON ... WITH; without a path it is the property of the same name. */
export interface JsonColumn {
  name: string;
  type: TypeName;
  path: string | null;
  json: boolean;
}

export interface OutputClause {
  items: SelectItem[];
  into: { path: Path; columns: string[] } | null;
}

export interface Assignment {
  column: Path | null;
  variable: string | null;
  operator: AssignOperator;
  value: Expression;
  line: number;
}

export interface MergeBranch {
  when: 'matched' | 'notMatched' | 'notMatchedBySource';
  condition: Condition | null;
  action:
    | { kind: 'update'; assignments: Assignment[] }
    | { kind: 'delete' }
    | { kind: 'insert'; columns: string[]; values: Expression[] | null };
}

export type DmlStatement =
  | {
      kind: 'insert';
      with: CommonTable[];
      top: Top | null;
      target: Path;
      columns: string[] | null;
      output: OutputClause | null;
      /** null: DEFAULT VALUES. */
      source: Query | ExecuteStatement | null;
    }
  | {
      kind: 'update';
      with: CommonTable[];
      top: Top | null;
      target: Path;
      hints: string[];
      assignments: Assignment[];
      output: OutputClause | null;
      from: TableSource[];
      where: Condition | null;
      cursor: string | null;
    }
  | {
      kind: 'delete';
      with: CommonTable[];
      top: Top | null;
      target: Path;
      hints: string[];
      output: OutputClause | null;
      from: TableSource[];
      where: Condition | null;
      cursor: string | null;
    }
  | {
      kind: 'merge';
      with: CommonTable[];
      top: Top | null;
      target: Path;
      alias: string | null;
      hints: string[];
      source: TableSource;
      on: Condition;
      branches: MergeBranch[];
      output: OutputClause | null;
    };

export interface IndexColumn {
  name: string;
  descending: boolean;
}

export interface ForeignKeyClause {
  columns: string[];
  references: Path;
  referenced: string[];
  onDelete: ReferentialAction;
  onUpdate: ReferentialAction;
}
export type ReferentialAction = 'NO_ACTION' | 'CASCADE' | 'SET_NULL' | 'SET_DEFAULT';

export type ConstraintClause = Node & { name: string | null } & (
    | { kind: 'key'; primary: boolean; clustered: boolean | null; columns: IndexColumn[] }
    | ({ kind: 'foreign' } & ForeignKeyClause)
    | { kind: 'check'; condition: Condition; text: string; column: string | null }
    | { kind: 'default'; expression: Expression; text: string; column: string; withValues: boolean }
  );

export interface ColumnDefinition extends Node {
  name: string;
  /** null for a computed column. */
  type: TypeName | null;
  nullable: boolean | null;
  identity: { seed: string; increment: string } | null;
  computed: { expression: Expression; text: string; persisted: boolean } | null;
  rowguid: boolean;
  sparse: boolean;
  collation: string | null;
}

export interface IndexClause extends Node {
  name: string;
  unique: boolean;
  clustered: boolean;
  columns: IndexColumn[];
  included: string[];
  filter: Condition | null;
  filterText: string;
  ignoreDuplicates: boolean;
}

export interface TableBody {
  columns: ColumnDefinition[];
  constraints: ConstraintClause[];
  indexes: IndexClause[];
}

export type AlterTableAction =
  | { kind: 'add'; body: TableBody; check: boolean }
  | { kind: 'alterColumn'; column: ColumnDefinition }
  | { kind: 'columnOption'; column: string; add: boolean; option: string }
  | { kind: 'drop'; columns: string[]; constraints: string[]; ifExists: boolean }
  | { kind: 'constraintState'; names: string[]; enabled: boolean; check: boolean }
  | { kind: 'triggerState'; names: string[]; enabled: boolean }
  | { kind: 'physical' };

export type ModuleKind = 'view' | 'procedure' | 'function' | 'trigger';

export interface Parameter extends Node {
  name: string;
  type: TypeName;
  default: Expression | null;
  output: boolean;
  readonly: boolean;
}

/** A view, procedure, function or trigger: its body is parsed again from `source` whenever it is used. */
export interface ModuleDefinition {
  kind: ModuleKind;
  path: Path;
  parameters: Parameter[];
  /** View: optional column names. */
  columns: string[];
  view: Query | null;
  withCheckOption: boolean;
  schemaBinding: boolean;
  returns:
    | { kind: 'scalar'; type: TypeName }
    | { kind: 'inline'; query: Query }
    | { kind: 'table'; variable: string; body: TableBody }
    | null;
  body: Statement[];
  trigger: { table: Path; timing: 'after' | 'insteadOf'; events: ('insert' | 'update' | 'delete')[] } | null;
}

export type ExecuteTarget =
  { kind: 'module'; path: Path } | { kind: 'variable'; name: string } | { kind: 'text'; parts: Expression[] };

export interface ExecuteArgument {
  name: string | null;
  value: Expression;
  output: boolean;
}

export interface ExecuteStatement extends Node {
  kind: 'execute';
  target: ExecuteTarget;
  result: string | null;
  args: ExecuteArgument[];
}

export interface CursorDefinition {
  name: string;
  query: Query;
  scroll: boolean;
  /** Ends with its batch or procedure. The cursor of a variable is one, and goes by the variable's name. */
  local: boolean;
}

export type DropKind =
  | 'table'
  | 'view'
  | 'procedure'
  | 'function'
  | 'trigger'
  | 'schema'
  | 'sequence'
  | 'synonym'
  | 'type'
  | 'user'
  | 'role';

/** `end`: offset behind the statement, so that a module's text can be cut out. */
export type Statement = Node & { start: number; end: number } & StatementBody;

export type StatementBody =
  | { kind: 'query'; query: Query }
  | DmlStatement
  | Omit<ExecuteStatement, 'line'>
  | { kind: 'declare'; variables: { name: string; type: TypeName; value: Expression | null; line: number }[] }
  | { kind: 'declareTable'; name: string; body: TableBody }
  | { kind: 'declareCursor'; cursor: CursorDefinition }
  | { kind: 'cursor'; action: 'open' | 'close' | 'deallocate'; name: string }
  | { kind: 'fetch'; name: string; direction: string; offset: Expression | null; into: string[] }
  | { kind: 'setVariable'; variable: string; operator: AssignOperator; value: Expression }
  | { kind: 'setOption'; options: string[]; value: string; argument: Expression | null }
  | { kind: 'setIdentityInsert'; path: Path; on: boolean }
  | { kind: 'setIsolation'; level: string }
  | { kind: 'if'; condition: Condition; then: Statement; otherwise: Statement | null }
  | { kind: 'while'; condition: Condition; body: Statement }
  | { kind: 'block'; body: Statement[] }
  | { kind: 'try'; body: Statement[]; handler: Statement[] }
  | { kind: 'break' | 'continue' }
  | { kind: 'return'; value: Expression | null }
  | { kind: 'goto'; label: string }
  | { kind: 'label'; label: string }
  | { kind: 'print'; value: Expression }
  | {
      kind: 'raiserror';
      message: Expression;
      severity: Expression;
      state: Expression;
      args: Expression[];
      options: string[];
    }
  | { kind: 'throw'; number: Expression | null; message: Expression | null; state: Expression | null }
  | { kind: 'waitfor'; mode: 'delay' | 'time'; value: Expression }
  | { kind: 'beginTransaction' | 'commit' | 'rollback' | 'save'; name: Expression | string | null }
  | { kind: 'use'; database: string }
  | { kind: 'createTable'; path: Path; body: TableBody }
  | { kind: 'alterTable'; path: Path; action: AlterTableAction }
  | { kind: 'truncate'; path: Path }
  | { kind: 'createIndex'; path: Path; index: IndexClause; dropExisting: boolean }
  | { kind: 'dropIndex'; indexes: { name: string; path: Path }[]; ifExists: boolean }
  | { kind: 'alterIndex'; name: string | null; path: Path; action: 'rebuild' | 'disable' | 'other' }
  | { kind: 'createModule'; definition: ModuleDefinition; mode: 'create' | 'alter' | 'createOrAlter'; source: string }
  | { kind: 'triggerState'; names: Path[]; table: Path; enabled: boolean }
  | { kind: 'createSchema'; name: string; owner: string | null }
  | { kind: 'alterSchema'; schema: string; path: Path }
  | { kind: 'createSequence'; path: Path; type: TypeName | null; options: SequenceOptions }
  | { kind: 'alterSequence'; path: Path; options: SequenceOptions }
  | { kind: 'createSynonym'; path: Path; target: Path }
  | { kind: 'createType'; path: Path; base: TypeName | null; nullable: boolean; body: string | null }
  | { kind: 'drop'; what: DropKind; paths: Path[]; ifExists: boolean }
  | { kind: 'createPrincipal'; name: string; type: 'S' | 'E' | 'R'; options: string }
  | { kind: 'roleMember'; role: string; member: string; add: boolean }
  | {
      kind: 'permission';
      action: 'GRANT' | 'DENY' | 'REVOKE';
      permissions: string[];
      class: string;
      path: Path;
      principals: string[];
    }
  | { kind: 'checkIdent'; table: Expression; reseed: Expression | null; noReseed: boolean; silent: boolean }
  /** Statistics have no effect here; their table and columns must exist all the same. */
  | { kind: 'statistics'; action: 'create' | 'update' | 'drop'; path: Path; names: string[] }
  | { kind: 'nothing'; what: string };

export interface SequenceOptions {
  start?: string;
  increment?: string;
  minimum?: string | null;
  maximum?: string | null;
  cycle?: boolean;
  restart?: string | null;
}
