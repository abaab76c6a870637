import {
  type LoginIdentity,
  type ResponseSink,
  type SqlEngine,
  type SqlMessage,
  type SqlRequest,
} from '../../../../local/sql/session';

export type Answer = (request: SqlRequest, sink: ResponseSink, signal: AbortSignal) => void | Promise<void>;

/** An engine that answers as the test says, and remembers what it was asked. */
export interface ScriptedEngine extends SqlEngine {
  logins: LoginIdentity[];
  /** Without those that drivers send by themselves after a login. */
  requests: SqlRequest[];
  resets: number;
  openSessions: number;
}

const driverInitialization = /set ansi_nulls|set textsize|set quoted_identifier/i;

/** Databases other than `master` and those that are listed are refused with 4060. */
export function createScriptedEngine(answer: Answer, databases: readonly string[] = ['orders']): ScriptedEngine {
  const engine: ScriptedEngine = {
    logins: [],
    requests: [],
    resets: 0,
    openSessions: 0,
    login: async (identity) => {
      engine.logins.push(identity);
      const database = identity.database === '' ? 'master' : identity.database;
      if (database !== 'master' && !databases.includes(database)) {
        const text = `Cannot open database "${database}" requested by the login. The login failed.`;
        return { ok: false, message: message(4060, text, 11) };
      }
      let open = true;
      engine.openSessions += 1;
      return {
        ok: true,
        session: {
          spid: 51,
          database,
          execute: async (request, sink, signal) => {
            if (request.kind === 'batch' && driverInitialization.test(request.text)) return;
            engine.requests.push(request);
            await answer(request, sink, signal);
          },
          reset: async () => {
            engine.resets += 1;
          },
          close: async () => {
            if (open) engine.openSessions -= 1;
            open = false;
          },
        },
      };
    },
    dropServer: async () => undefined,
    listServers: () => [],
    createServer: async () => undefined,
    createDatabase: async () => undefined,
    dropDatabase: async () => undefined,
    listDatabases: async () => [...databases],
    close: async () => undefined,
  };
  return engine;
}

export function message(number: number, text: string, severity = 16): SqlMessage {
  return { number, severity, state: 1, message: text, procedure: '', line: 1 };
}

export const statementDone = { rowCount: null, inProcedure: false, isSelect: false, failed: false };

/** Answers by the text of a batch. */
export function byText(answers: Readonly<Record<string, Answer>>): Answer {
  return (request, sink, signal) => {
    const text = request.kind === 'batch' ? request.text : request.kind === 'procedure' ? request.name : 'transaction';
    const answer = answers[text];
    if (answer === undefined) throw new Error(`the test has no answer for "${text.slice(0, 60)}"`);
    return answer(request, sink, signal);
  };
}

/** A result of one column and one row. */
export const one: Answer = (_request, sink) => {
  sink.columns([{ name: 'one', type: { name: 'int' }, nullable: false }]);
  void sink.row([1]);
  sink.done({ rowCount: 1, inProcedure: false, isSelect: true, failed: false });
};
