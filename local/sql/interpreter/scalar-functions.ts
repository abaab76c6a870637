import { notSupported } from '../errors';
import { type Runtime } from './runtime';
import { type Transaction } from './transaction';

/** Thrown while compiling a statement whose scalar function this backend does not have yet. */
export interface FunctionNeeded {
  id: number;
}
class NeedsFunction extends Error implements FunctionNeeded {
  constructor(readonly id: number) {
    super('a scalar function has to be compiled first');
  }
}
export const needsFunction = (error: unknown): error is FunctionNeeded => error instanceof NeedsFunction;

export function functionName(id: number, transaction: Pick<Transaction, 'functions'>): string {
  const name = transaction.functions.get(id);
  if (name === undefined) throw new NeedsFunction(id);
  return name;
}

export async function compileScalarFunction(id: number, runtime: Runtime): Promise<void> {
  void runtime;
  throw notSupported(`scalar functions (${id})`);
}
