import { type PacketLimits } from './packets';

/** What one connection may use. */
export interface WireLimits {
  /** From the first byte to the last of the login; the engine's own time does not count. */
  loginMs: number;
  /** The longest message before the login: a LOGIN7 with an access token is a few KB. */
  loginBytes: number;
  /** The longest request. */
  requestBytes: number;
  /** So long may a request that was begun, or a client that was told goodbye, rest. */
  stallMs: number;
  /** Connections to one server at the same time; further ones are closed at once. */
  connections: number;
}

export const defaultLimits: WireLimits = {
  loginMs: 15_000,
  loginBytes: 128 * 1024,
  requestBytes: 64 * 1024 * 1024,
  stallMs: 30_000,
  connections: 2_000,
};

export const beforeLogin = (limits: WireLimits): PacketLimits => ({
  messageBytes: limits.loginBytes,
  stallMs: limits.stallMs,
});

export const afterLogin = (limits: WireLimits): PacketLimits => ({
  messageBytes: limits.requestBytes,
  stallMs: limits.stallMs,
});
