import { createRunLog } from '../../../../lib/builds/run/run-log';
import { type BatchAnswer } from '../../../../lib/sql/model';

const answer = (given: Partial<BatchAnswer>): BatchAnswer => ({
  error: null,
  resultSets: [],
  rowsAffected: [],
  notices: [],
  transactionEvents: [],
  countedOutsideTransaction: false,
  ...given,
});

/** What a client would run: everything that is no comment. */
const code = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !line.startsWith('--'));

it('is SQL that runs, with the rest in comments', () => {
  const log = createRunLog();
  log.note('a build');
  log.begin(true);
  log.batch({ title: '1.sql', database: 'd]b', text: 'SELECT 1\r\n', repeat: 1 });
  log.answer('1.sql', answer({ rowsAffected: [1] }), 12);
  log.batch({ title: '2.sql', database: 'd]b', text: 'SELECT 2', repeat: 3 });
  log.statement('COMMIT TRANSACTION;');
  expect(code(log.text())).toEqual([
    'SET XACT_ABORT ON;',
    'BEGIN TRANSACTION;',
    'GO',
    'USE [d]]b];',
    'GO',
    'SELECT 1',
    'GO',
    'SELECT 2',
    'GO 3',
    'COMMIT TRANSACTION;',
    'GO',
  ]);
});

it.each(['\n', '\r\n', '\r', '\u2028', '\u0085'])(
  'lets nothing out of a comment, whatever line break %j it uses',
  (lineBreak) => {
    const hostile = ['*/', 'DROP TABLE t;', 'GO', "'"].join(lineBreak);
    const log = createRunLog();
    log.note(hostile);
    log.answer(
      hostile,
      answer({
        notices: [{ number: 0, message: hostile }],
        resultSets: [{ columns: [hostile], rows: [[hostile]], rowCount: 1 }],
      }),
      1,
    );
    log.failure(hostile, {
      code: hostile,
      message: hostile,
      number: 1,
      severity: 16,
      state: 1,
      line: 1,
      procedure: hostile,
      script: hostile,
      database: hostile,
    });
    expect(code(log.text())).toEqual([]);
    expect(
      log
        .text()
        .split(/[\r\n\u0085\u2028\u2029]+/)
        .every((line) => line === '' || line.startsWith('--')),
    ).toBe(true);
  },
);

it('shows values of every type, cut to a bearable length, and how many rows it leaves out', () => {
  const log = createRunLog();
  log.answer(
    'x',
    answer({
      resultSets: [
        {
          columns: ['a', 'b', 'c', 'd', 'e'],
          rows: [[null, new Date(0), Buffer.from([1, 255]), 'y'.repeat(500), 1.5]],
          rowCount: 41,
        },
      ],
    }),
    1,
  );
  expect(log.text()).toContain(`NULL | 1970-01-01T00:00:00.000Z | 0x01ff | ${'y'.repeat(200)}... | 1.5`);
  expect(log.text()).toContain('40 more rows');
});
