/** What is wrong with a network. The names and meanings are Toxiproxy's. */
export type Toxic =
  /** Everything arrives later, by `latencyMs` and up to `jitterMs` more or less. */
  | { readonly kind: "latency"; readonly latencyMs: number; readonly jitterMs: number }
  /** No more than so many bytes a second go each way. */
  | { readonly kind: "bandwidth"; readonly bytesPerSecond: number }
  /** Nothing arrives any more, and nobody is told: half-open connections. */
  | { readonly kind: "timeout" }
  /** Connections are reset, and new ones as well. */
  | { readonly kind: "reset_peer" }
  /** What was written at once arrives in pieces. */
  | { readonly kind: "slicer"; readonly bytes: number; readonly delayMs: number }
  /** A connection is closed in the middle, after so many bytes of either way. */
  | { readonly kind: "limit_data"; readonly bytes: number };
