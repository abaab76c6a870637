import { classify, type SqlPhase } from '../../../lib/sql/error-classes';
import { clientError, serverError, transportError } from '../../../lib/sql/errors';
import { type SqlError } from '../../../lib/sql/model';

const server = (...numbers: number[]): SqlError => severe(16, ...numbers);

function severe(severity: number, ...numbers: number[]): SqlError {
  const [first, ...rest] = numbers.map((number) => ({
    number,
    class: severity,
    state: 1,
    message: `error ${number}`,
    procName: '',
    lineNumber: 1,
  }));
  if (first === undefined) throw new Error('no number');
  return serverError([first, ...rest]);
}

const network = (code: string): SqlError => transportError(Object.assign(new Error(code), { code }));

const cases: [SqlPhase, string, SqlError, string, string][] = [
  ...[10928, 10929, 10936, 40501, 49918, 49919, 49920].map((number): (typeof cases)[number] => [
    'login',
    `${number}`,
    server(number),
    'sql.throttled',
    'throttle',
  ]),
  ...[926, 4221, 40197, 40613, 615].map((number): (typeof cases)[number] => [
    'login',
    `${number}`,
    server(number),
    'sql.unavailable',
    'retry',
  ]),
  ['login', '4060 with 18456 behind it', server(4060, 18456), 'sql.databaseNotFound', 'retryBriefly'],
  ['login', '40613 with 18456 behind it', server(40613, 18456), 'sql.unavailable', 'retry'],
  ...[18456, 18452, 40532, 916].map((number): (typeof cases)[number] => [
    'login',
    `${number}`,
    server(number),
    'sql.login',
    'permanent',
  ]),
  ['login', '40615', server(40615), 'sql.firewall', 'permanent'],
  ['login', 'a number nobody knows', server(123456), 'sql.login', 'permanent'],
  ...['ECONNRESET', 'ESOCKET', 'ECONNREFUSED', 'ETIMEDOUT', 'EAI_AGAIN'].map((code): (typeof cases)[number] => [
    'login',
    code,
    network(code),
    'sql.unreachable',
    'retry',
  ]),
  ['login', 'ENOTFOUND', network('ENOTFOUND'), 'sql.serverNotFound', 'retryBriefly'],
  ['login', 'our own time-out', clientError('timeout', 't'), 'sql.unavailable', 'retry'],
  ['login', 'a certificate of somebody else', network('ERR_TLS_CERT_ALTNAME_INVALID'), 'sql.certificate', 'permanent'],
  ['login', 'a self-signed certificate', network('DEPTH_ZERO_SELF_SIGNED_CERT'), 'sql.certificate', 'permanent'],
  ['login', 'no token', clientError('token', 't'), 'sql.token', 'retry'],
  ['login', 'a cancel', clientError('cancelled', 'c'), 'sql.cancelled', 'cancelled'],

  ...[1205, 3960, 41301, 41302, 41305, 41325, 41839].map((number): (typeof cases)[number] => [
    'script',
    `${number}`,
    server(number),
    'sql.conflict',
    'rerun',
  ]),
  ['script', 'a deadlock behind another error', server(50000, 1205), 'sql.conflict', 'rerun'],
  ...[596, 40197, 40613].map((number): (typeof cases)[number] => [
    'script',
    `${number}`,
    severe(20, number),
    'sql.unavailable',
    'retry',
  ]),
  ['script', '40501', server(40501), 'sql.throttled', 'throttle'],
  ['script', 'a lost connection', network('ECONNRESET'), 'sql.connectionLost', 'retry'],
  ...[1105, 9002, 40544, 40549, 40550, 40551, 40552, 40553, 1132].map((number): (typeof cases)[number] => [
    'script',
    `${number}`,
    server(number),
    'sql.resourceLimit',
    'permanent',
  ]),
  ['script', 'a time-out', clientError('timeout', 't'), 'sql.timeout', 'timeout'],
  ...[102, 207, 208, 547, 2627, 2714, 8134, 50000].map((number): (typeof cases)[number] => [
    'script',
    `${number}`,
    server(number),
    'sql.scriptError',
    'permanent',
  ]),
  ['script', 'an error that ends the session', severe(21, 823), 'sql.fatal', 'permanent'],

  ['preamble', 'a lost connection', network('ECONNRESET'), 'sql.connectionLost', 'retry'],
  ['preamble', 'a time-out', clientError('timeout', 't'), 'sql.unavailable', 'retry'],
  ['preamble', 'a missing permission', server(229), 'sql.permission', 'permanent'],
  ['preamble', 'a column that is not there', server(207), 'sql.protocol', 'permanent'],

  ['commit', 'a lost connection', network('ECONNRESET'), 'sql.commitUnknown', 'unknown'],
  ['commit', 'a time-out', clientError('timeout', 't'), 'sql.commitUnknown', 'unknown'],
  ['commit', 'a cancel', clientError('cancelled', 'c'), 'sql.commitUnknown', 'unknown'],
  ['commit', '9002', server(9002), 'sql.resourceLimit', 'permanent'],
  ['commit', '262', server(262), 'sql.permission', 'permanent'],
];

it.each(cases)('in phase %s, %s', (phase, _name, error, code, action) => {
  expect(classify(phase, error)).toEqual({ code, action });
});

it('takes the first error for what happened, and the numbers of all of them for the class', () => {
  const error = server(1770, 1750);
  expect(error).toMatchObject({ number: 1770, message: 'error 1770 error 1750', numbers: [1770, 1750] });
});

it('finds the code of the operating system under the words of the driver', () => {
  const inner = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  const outer = Object.assign(new Error('Connection lost', { cause: inner }), { code: 'ESOCKET' });
  expect(transportError(outer)).toMatchObject({ kind: 'network', driverCode: 'ECONNRESET' });
  expect(transportError(new AggregateError([outer]))).toMatchObject({ driverCode: 'ECONNRESET' });
});
