import { Connection } from 'tedious';
import { judgeTransaction, watchTransactions } from '../../../lib/sql/transaction-watch';

/** Does to a connection what the driver's token handler does. */
function driver() {
  const connection = new Connection({ server: 'unused', options: { encrypt: false } });
  const watch = watchTransactions(connection);
  return {
    watch,
    begin: (id: number) => void connection.transactionDescriptors.push(Buffer.from([id])),
    commit: () => void (connection.transactionDescriptors.length = 1),
    rollback: () => {
      connection.transactionDescriptors.length = 1;
      connection.emit('rollbackTransaction');
    },
  };
}

it('tells begin, commit and rollback apart, in order', () => {
  const { watch, begin, commit, rollback } = driver();
  begin(1);
  expect(watch.current).toBe('01');
  commit();
  begin(2);
  rollback();
  expect(watch.current).toBeNull();
  expect(watch.take()).toEqual([
    { kind: 'began', descriptor: '01' },
    { kind: 'ended', by: 'commit' },
    { kind: 'began', descriptor: '02' },
    { kind: 'ended', by: 'rollback' },
  ]);
  expect(watch.take()).toEqual([]);
});

it('does not take a rollback outside of a transaction for the end of the last one', () => {
  const { watch, begin, commit, rollback } = driver();
  begin(1);
  commit();
  rollback();
  expect(watch.take().at(-1)).toEqual({ kind: 'ended', by: 'commit' });
});

it('judges what a batch did', () => {
  const began = { kind: 'began', descriptor: '01' } as const;
  const committed = { kind: 'ended', by: 'commit' } as const;
  const rolledBack = { kind: 'ended', by: 'rollback' } as const;
  expect(judgeTransaction([])).toBe('kept');
  expect(judgeTransaction([rolledBack])).toBe('rolledBack');
  expect(judgeTransaction([committed])).toBe('left');
  expect(judgeTransaction([committed, began])).toBe('left');
  expect(judgeTransaction([committed, began, rolledBack])).toBe('left');
  expect(judgeTransaction([rolledBack, began])).toBe('left');
});
