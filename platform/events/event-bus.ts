// What carries events between processes.
//
// B1. The bus only wakes. It may lose, repeat and reorder everything; whoever listens sweeps the database too.
// B2. Each subscriber of a subject gets each message; one that throws does not keep the others from it.
// B3. A listener that may have missed messages is told as soon as it hears again.
// B4. Nothing is delivered to a subscription after its close() returned.

/** One message. */
export interface BusMessage {
  /** `hil.<service>.v1.<resource>.<event>.<id>` */
  readonly subject: string;
  /** The same for every repetition of the message, so that a carrier can drop copies. */
  readonly id: string;
  readonly data: Uint8Array;
}

export interface Subscription {
  close(): Promise<void>;
}

export interface EventBus {
  /** Hands messages to the carrier, in order. Resolves when the carrier has them. */
  publish(messages: readonly BusMessage[]): Promise<void>;
  /** Listens. `pattern` is a subject, or ends in ".>" and takes everything below. */
  subscribe(pattern: string, handler: (message: BusMessage) => void): Promise<Subscription>;
  /** Calls `listener` when messages may have been missed, so that it sweeps at once. Returns what stops it. */
  onGap(listener: () => void): () => void;
  /** Whether messages get through now, as far as is known. */
  isConnected(): boolean;
  close(): Promise<void>;
}
