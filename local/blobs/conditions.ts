import { type ServiceRequest } from '../network/http-service';
import { ServiceError } from '../network/service-error';
import { etagOf } from './etag';
import { type Blob } from './store';

/**
 * Checks the conditional headers of a request against the blob as it is (undefined: there is none).
 * @throws ServiceError 304, 404, 409 or 412 as the service answers.
 */
export function requireConditions({ method, headers }: ServiceRequest, blob: Blob | undefined): void {
  const isRead = method === 'GET' || method === 'HEAD';
  const notMet = (): ServiceError =>
    isRead
      ? new ServiceError(304, 'ConditionNotMet', 'The blob has not changed.')
      : new ServiceError(412, 'ConditionNotMet', 'The condition of the request is not met.');

  const match = headers['if-match'];
  if (match !== undefined && (blob === undefined || (match !== '*' && match !== etagOf(blob)))) {
    throw new ServiceError(412, 'ConditionNotMet', 'The blob is not the version that was asked for.');
  }
  const noneMatch = headers['if-none-match'];
  if (noneMatch === '*' && blob !== undefined && !isRead) {
    throw new ServiceError(409, 'BlobAlreadyExists', `Blob ${blob.name} exists.`);
  }
  if (blob === undefined) return;
  if (noneMatch === etagOf(blob)) throw notMet();
  const modifiedAtMs = Math.floor(blob.modifiedAtMs / 1000) * 1000;
  const modifiedSince = headers['if-modified-since'];
  if (modifiedSince !== undefined && modifiedAtMs <= Date.parse(modifiedSince)) throw notMet();
  const unmodifiedSince = headers['if-unmodified-since'];
  if (unmodifiedSince !== undefined && modifiedAtMs > Date.parse(unmodifiedSince)) {
    throw new ServiceError(412, 'ConditionNotMet', 'The blob has changed since.');
  }
}
