import { type ApprovalServices, createApprovalServices } from '../approvals/services';
import { type PlatformParts } from './platform-parts';

/** Puts approvals together. Other capabilities get them as `Approvals`. */
export function composeApprovals(parts: PlatformParts): ApprovalServices {
  return createApprovalServices({ ...parts, documents: parts.documents('approvals') });
}
