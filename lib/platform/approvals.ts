/** Pending until somebody decides, time runs out, or the question is taken back. Every other state is final. */
export const approvalStates = ['pending', 'approved', 'rejected', 'expired', 'withdrawn'] as const;
export type ApprovalState = (typeof approvalStates)[number];

/** What somebody is asked to approve. */
export interface ApprovalRequest {
  /** Chosen by who asks, so that asking twice is one question: letters, digits, `-` and `_`, 128 at most. */
  id: string;
  /** What it is about, by its path in the API: `builds/20260101-120000-ab12`. */
  subject: string;
  /** One sentence for the person who decides. */
  title: string;
  /** Of exactly what was seen: the plan, the build. An approval of one hash says nothing about another. */
  hash: string;
  requester: string;
  /** Who may decide. Empty: whoever is signed in. */
  approvers: readonly string[];
  /** The requester may not decide, whoever else may. */
  approverMustDiffer: boolean;
  expiresAtMs: number;
  /** null: nobody is reminded. */
  reminderEveryMs: number | null;
  /** Orchestration to wake when it is decided; it decides what to do by reading. */
  wakeInstanceId: string | null;
}

export interface Approval {
  id: string;
  hash: string;
  state: ApprovalState;
  expiresAt: string;
  /** Who made the state final, when and why; null while pending. An approval that expired was ended by `sqlfleet`. */
  decision: { actor: string; reason: string; at: string } | null;
}

/** A person's word, asked for by whichever capability needs one. Capabilities see this and nothing more of approvals. */
export interface Approvals {
  /**
   * Asks, once: the same id with the same hash answers with the approval as it stands.
   * @throws AppError `approvals.otherContent` (409) for a known id with another hash
   */
  request(request: ApprovalRequest): Promise<Approval>;
  /** Pending and past its time is stored as expired before it is answered, so that nobody approves it afterwards. */
  find(id: string): Promise<Approval | null>;
  /** @throws AppError `approvals.notFound` (404) */
  read(id: string): Promise<Approval>;
  /** Takes the question back. Does nothing where it is decided, or was never asked. */
  withdraw(id: string, by: { actor: string; reason: string }): Promise<void>;
}
