import { globalVariables } from '../emitter/functions';
import { literal } from '../emitter/typed';
import { int, nvarchar, sysname } from '../binder/types';
import { type SqlType } from '../session';
import { cursorStatus } from './cursors';
import { type Runtime } from './runtime';
import { type Text } from './values';

export const serverVersion =
  'Sqlfleet local stand-in for Azure SQL (a documented subset of T-SQL over PostgreSQL); not Microsoft SQL Azure';

/** The value of an @@ variable. */
export function globalValue(name: string, { state }: Pick<Runtime, 'state'>): Text {
  switch (name) {
    case '@@rowcount':
      return String(state.rowCount);
    case '@@error':
      return String(state.error);
    case '@@trancount':
      return String(state.transaction.count);
    case '@@identity':
      return state.identityValue;
    case '@@fetch_status':
      return String(state.fetchStatus);
    case '@@cursor_rows':
      return String(state.cursorRows);
    case '@@spid':
      return String(state.spid);
    case '@@version':
      return serverVersion;
    case '@@servername':
      return state.identity.server;
    case '@@servicename':
      return 'Azure';
    case '@@nestlevel':
      return String(state.frames.filter((frame) => frame.procedure !== '').length);
    case '@@procid':
      return String(state.frames.at(-1)?.procedureId ?? 0);
    case '@@lock_timeout':
      return String(state.options.lockTimeoutMs);
    case '@@datefirst':
      return String(state.options.dateFirst);
    case '@@language':
      return state.options.language;
    case '@@options':
      return String(
        (state.options.noCount ? 512 : 0) +
          (state.options.xactAbort ? 16384 : 0) +
          (state.options.implicitTransactions ? 2 : 0) +
          5496,
      );
    case '@@max_connections':
      return '32767';
    case '@@max_precision':
      return '38';
    case '@@microsoftversion':
      return '201328592';
    case '@@textsize':
      return '2147483647';
    case '@@dbts':
      return '\\x00000000000007d0';
    default:
      return '0';
  }
}

/** PostgreSQL constant for a hole in a compiled statement. */
export function holeText(name: string, runtime: Pick<Runtime, 'state' | 'frame'>): string {
  const { state } = runtime;
  const variable = runtime.frame().variables.get(name);
  if (variable !== undefined) return literal(variable.value, variable.type);
  const global = globalVariables[name];
  if (global !== undefined) return literal(globalValue(name, runtime), global);
  const [value, type] = sessionValue(name, runtime);
  if (name.startsWith('updated:')) return value ?? 'false';
  void state;
  return literal(value, type);
}

function sessionValue(name: string, { state, frame }: Pick<Runtime, 'state' | 'frame'>): [Text, SqlType] {
  const error = state.caught.at(-1);
  switch (name) {
    case 'error_number':
      return [error === undefined ? null : String(error.error.number), int];
    case 'error_severity':
      return [error === undefined ? null : String(error.error.options.severity ?? 16), int];
    case 'error_state':
      return [error === undefined ? null : String(error.error.options.state ?? 1), int];
    case 'error_line':
      return [error === undefined ? null : String(error.line), int];
    case 'error_procedure':
      return [error === undefined || error.procedure === '' ? null : error.procedure, sysname];
    case 'error_message':
      return [error === undefined ? null : error.error.message, nvarchar(4000)];
    case 'xact_state':
      return [state.transaction.count === 0 ? '0' : state.transaction.doomed ? '-1' : '1', { name: 'smallint' }];
    case 'transaction_id':
      return [String(state.transaction.descriptor), { name: 'bigint' }];
    case 'scope_identity':
      return [frame().scopeIdentity, { name: 'numeric', precision: 38, scale: 0 }];
    case 'rowcount_big':
      return [String(state.rowCount), { name: 'bigint' }];
    case 'host_name':
      return [state.identity.hostName, sysname];
    case 'app_name':
      return [state.identity.applicationName, sysname];
    case 'login':
      return [state.identity.user, sysname];
    case 'user':
      return ['dbo', sysname];
    case 'database':
      return [state.database.name, sysname];
    case 'server':
      return [state.identity.server, sysname];
    case 'spid':
      return [String(state.spid), int];
    case 'date_format':
      // beyond all styles of CONVERT
      return [{ mdy: '0', dmy: '1001', ymd: '1002' }[state.options.dateFormat] ?? '0', int];
    case 'context_info':
      return [state.context.get('')?.value ?? null, { name: 'varbinary', length: 128 }];
    case 'trigger_nestlevel':
      return [String(state.triggerNesting), int];
    default:
      return computedValue(name, { state, frame });
  }
}

function computedValue(name: string, { state, frame }: Pick<Runtime, 'state' | 'frame'>): [Text, SqlType] {
  const at = name.indexOf(':');
  const argument = name.slice(at + 1);
  if (name.startsWith('session_context:')) return [state.context.get(argument)?.value ?? null, nvarchar(4000)];
  if (name.startsWith('cursor_status:')) {
    const [, scope = '', cursor = ''] = name.split(':');
    return [String(cursorStatus(scope.toLowerCase(), cursor, { state, frame })), { name: 'smallint' }];
  }
  if (name.startsWith('session_property:')) {
    const fallback = argument === 'NUMERIC_ROUNDABORT' ? false : true;
    const on =
      argument === 'QUOTED_IDENTIFIER'
        ? state.options.quotedIdentifier
        : (state.options.flags.get(argument) ?? fallback);
    return [on ? '1' : '0', int];
  }
  if (name.startsWith('updated:')) {
    const { updated, triggerTable } = frame();
    const column = triggerTable?.columns.find((candidate) => candidate.name.toLowerCase() === argument.toLowerCase());
    return [column !== undefined && updated?.has(column.id) === true ? 'true' : 'false', int];
  }
  return [null, int];
}
