import { bindCondition, bindExpression, type Environment } from '../binder/environment';
import { emptyScope } from '../binder/scope';
import { familyOf, int, isWide, lengthOf, nvarchar, varchar } from '../binder/types';
import { convert } from '../emitter/convert';
import { globalVariables } from '../emitter/functions';
import { type Condition, type Expression } from '../parser/ast';
import { type SqlType } from '../session';
import { type Runtime } from './runtime';
import { globalValue } from './session-values';
import { type Text } from './values';

/** Expressions outside of queries. PostgreSQL evaluates them; what is plain to see is answered here, without a round trip. */
export function createEvaluation(runtime: () => Runtime): Pick<Runtime, 'evaluate' | 'evaluateAs' | 'test'> {
  const known = (expression: Expression): { value: Text; type: SqlType } | undefined => {
    switch (expression.kind) {
      case 'literal':
        if (expression.type === 'null') return { value: null, type: int };
        if (expression.type === 'int')
          return /^-?\d{1,9}$/.test(expression.text) ? { value: expression.text, type: int } : undefined;
        if (expression.type === 'string')
          return { value: expression.text, type: varchar(Math.max(1, expression.text.length)) };
        if (expression.type === 'nstring')
          return { value: expression.text, type: nvarchar(Math.max(1, expression.text.length)) };
        return undefined;
      case 'variable': {
        const variable = runtime().frame().variables.get(expression.name);
        if (variable !== undefined) return variable;
        const type = globalVariables[expression.name];
        return type === undefined ? undefined : { value: globalValue(expression.name, runtime()), type };
      }
      case 'binary': {
        const [left, right] = [known(expression.left), known(expression.right)];
        if (left === undefined || right === undefined || !plainInt(left) || !plainInt(right)) return undefined;
        if (expression.operator !== '+' && expression.operator !== '-') return undefined;
        if (left.value === null || right.value === null) return { value: null, type: int };
        const sum = Number(left.value) + (expression.operator === '+' ? 1 : -1) * Number(right.value);
        return Math.abs(sum) > 2147483647 ? undefined : { value: String(sum), type: int };
      }
      default:
        return undefined;
    }
  };

  const tested = (condition: Condition): boolean | null | undefined => {
    switch (condition.kind) {
      case 'isNull': {
        const operand = known(condition.operand);
        return operand === undefined ? undefined : (operand.value === null) !== condition.negated;
      }
      case 'not': {
        const operand = tested(condition.operand);
        return typeof operand === 'boolean' ? !operand : operand;
      }
      case 'and':
      case 'or': {
        const [left, right] = [tested(condition.left), tested(condition.right)];
        if (left === undefined || right === undefined) return undefined;
        const decisive = condition.kind === 'or';
        if (left === decisive || right === decisive) return decisive;
        return left === null || right === null ? null : !decisive;
      }
      case 'compare': {
        const [left, right] = [known(condition.left), known(condition.right)];
        if (left === undefined || right === undefined || !plainInt(left) || !plainInt(right)) return undefined;
        if (left.value === null || right.value === null) return null;
        return comparisons[condition.operator](Number(left.value), Number(right.value));
      }
      default:
        return undefined;
    }
  };

  const query = async (node: object, bind: (environment: Environment) => string): Promise<Text> => {
    const sql = await runtime().compileOnce(runtime().memos.texts, node, bind);
    const [result] = await runtime().run(`SELECT ${sql}`);
    return result?.rows[0]?.[0] ?? null;
  };

  return {
    evaluate: async (expression) => {
      const value = known(expression);
      if (value !== undefined) return value;
      const typed = await runtime().compileOnce(runtime().memos.expressions, expression, (environment) =>
        bindExpression(expression, emptyScope(), environment),
      );
      const [result] = await runtime().run(`SELECT ${typed.sql}`);
      return { value: result?.rows[0]?.[0] ?? null, type: typed.type };
    },
    evaluateAs: async (expression, type) => {
      const value = known(expression);
      const taken = value === undefined ? undefined : assign(value, type);
      if (taken !== undefined) return taken;
      return query(expression, (environment) =>
        convert(bindExpression(expression, emptyScope(), environment), type, { line: expression.line }),
      );
    },
    test: async (condition) => {
      const value = tested(condition);
      if (value !== undefined) return value === true;
      return (await query(condition, (environment) => bindCondition(condition, emptyScope(), environment))) === 't';
    },
  };
}

const smallIntegers = new Set(['bit', 'tinyint', 'smallint', 'int']);
const plainInt = ({ value, type }: { value: Text; type: SqlType }): boolean =>
  smallIntegers.has(type.name) || (value === null && familyOf(type) === 'integer');

const comparisons = {
  '=': (a: number, b: number) => a === b,
  '<>': (a: number, b: number) => a !== b,
  '<': (a: number, b: number) => a < b,
  '<=': (a: number, b: number) => a <= b,
  '>': (a: number, b: number) => a > b,
  '>=': (a: number, b: number) => a >= b,
} as const;

/** A value as a variable of a type takes it, where that needs no conversion; undefined where it does. */
function assign({ value, type }: { value: Text; type: SqlType }, target: SqlType): Text | undefined {
  if (value === null) return familyOf(type) === 'integer' || type.name === target.name ? null : undefined;
  if (type.name === target.name && JSON.stringify(type) === JSON.stringify(target)) return value;
  if (smallIntegers.has(type.name) && target.name === 'int') return value;
  if (familyOf(type) !== 'string' || (target.name !== 'varchar' && target.name !== 'nvarchar')) return undefined;
  const size = lengthOf(target);
  if (size !== 'max' && value.length > size) return undefined;
  // varchar cannot hold everything that nvarchar can
  return isWide(target) || !isWide(type) || /^[\u0020-\u007e\s]*$/.test(value) ? value : undefined;
}
