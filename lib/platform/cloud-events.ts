/** What others may react to: a build that ended, a server that was added. Published as a CloudEvent 1.0. */
export interface FleetEvent {
  /** Two publications of the same happening have the same id, so that receivers can drop one. */
  id: string;
  /** `Sqlfleet.<Capability>.<Happening>`, for example `Sqlfleet.Builds.Finished`. */
  type: string;
  /** What it happened to, for example `builds/20260101-120000-ab12`. */
  subject: string;
  /** Never secrets, never script text. */
  data: Record<string, unknown>;
}

/** Tells the outside world. Nothing in here waits for anybody who listens. */
export interface FleetEvents {
  /** Never rejects: what cannot be told now is told later, and ends nothing. */
  publish(event: FleetEvent): Promise<void>;
}

/** For an app without a topic to publish to. */
export const unpublishedEvents: FleetEvents = { publish: async () => undefined };
