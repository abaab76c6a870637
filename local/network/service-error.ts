/** A refusal that a stand-in answers with, in whatever form its protocol gives to errors. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly status: number;
  /** The service's own error code, for example `BlobNotFound`. */
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** For every call that the stand-in does not know: it names itself, so that nobody searches in the wrong place. */
export function unsupported(what: string): ServiceError {
  return new ServiceError(501, 'NotImplemented', `The embedded cloud does not support ${what}.`);
}
