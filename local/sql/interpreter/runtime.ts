import { type Environment } from '../binder/environment';
import { type ObjectDefinition } from '../catalog/definitions';
import { type Condition, type Expression, type ModuleDefinition, type Statement } from '../parser/ast';
import { type Clock } from '../../../lib/platform/clock';
import { type Typed } from '../emitter/typed';
import { type SqlType } from '../session';
import { type CompiledChange, type CompiledQuery } from './compiled';
import { type BackendResult } from './backend';
import { type Frame, type SessionState } from './state';
import { type RunOptions } from './transaction';
import { type Text } from './values';

/** How a statement ends: on to the next, or somewhere else. */
export type Flow =
  { kind: 'next' } | { kind: 'break' } | { kind: 'continue' } | { kind: 'return' } | { kind: 'goto'; label: string };
export const next: Flow = { kind: 'next' };

/** Compiled statements by their syntax nodes; good as long as the catalog is the one they were compiled under. */
export type Memo<T> = WeakMap<object, { cache: object; generation: number; value: T }>;

/** What the parts of the interpreter need from one another; wired together in interpreter.ts. */
export interface Runtime {
  state: SessionState;
  clock: Clock;
  frame(): Frame;
  /** Runs a bind function, reading definitions from the catalog until it needs no more. */
  compile<T>(bind: (environment: Environment) => T): Promise<T>;
  /** `compile`, remembered for a syntax node as long as the catalog stays the same. */
  compileOnce<T>(memo: Memo<T>, node: object, bind: (environment: Environment) => T): Promise<T>;
  memos: { queries: Memo<CompiledQuery>; changes: Memo<CompiledChange>; texts: Memo<string>; expressions: Memo<Typed> };
  /** Runs PostgreSQL text with its holes filled; errors come as SqlError. `verb` is for messages. */
  run(sql: string, verb?: string, options?: RunOptions): Promise<BackendResult[]>;
  fill(sql: string): string;
  evaluate(expression: Expression): Promise<{ value: Text; type: SqlType }>;
  evaluateAs(expression: Expression, type: SqlType): Promise<Text>;
  test(condition: Condition): Promise<boolean>;
  runStatements(statements: readonly Statement[]): Promise<Flow>;
  /** Parses and runs text as a batch of its own inside this session: EXEC, sp_executesql. */
  runText(text: string, frame: Frame): Promise<void>;
  /** Runs a procedure's or trigger's body in a new frame. */
  runModule(module: ObjectDefinition, syntax: ModuleDefinition, frame: Frame): Promise<void>;
  newFrame(from: Partial<Frame>): Frame;
  withFrame(frame: Frame, work: () => Promise<void>): Promise<void>;
  describe: (id: number) => Promise<ObjectDefinition | null>;
  find(path: readonly string[], line?: number): Promise<ObjectDefinition | null>;
  syntax: (module: { id: number; version: number; source: string }) => ModuleDefinition;
  /** For names of temporary things in PostgreSQL. */
  nextId: () => number;
  info(message: string, options?: { number?: number; severity?: number; state?: number }): void;
  done(rowCount: number | null, isSelect?: boolean): void;
}
