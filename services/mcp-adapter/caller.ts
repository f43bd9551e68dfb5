/**
 * Who asks, and what holds for its calls where they say nothing: for a whole connection over stdio, for one request
 * over HTTP.
 */
export interface Caller {
  /** What shows the services who calls. Undefined: the line to them brings a credential of its own. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** What the services remember it by as the asker. Undefined: not known here. */
  readonly principalId: string | undefined;
  /** Aborts when the process drains, or one on the way to it: waits end then as if their slices were over. */
  readonly drain: AbortSignal;
  /**
   * Tells agents apart that ask the same words with the same key, as the folder that they work in does. Undefined: by how
   * their clients call themselves.
   */
  readonly origin: string | undefined;
  /** The chat to ask in where a call names none. Empty: the console only. */
  readonly chatId: string;
  readonly projectName: string;
  /** The ask's deadline, in seconds. 0: none. Undefined: the server's own, 1200 unless it is set otherwise. */
  readonly timeoutS: number | undefined;
  /** How long one call waits, in seconds. Undefined: by the client. */
  readonly sliceS: number | undefined;
  /** How often a call that waits tells so, in seconds, to a client that listens for it. Undefined: 10. */
  readonly progressS: number | undefined;
  /** Whether a call may name pictures by files of this machine: only where it is the caller's own. */
  readonly readsFiles: boolean;
  /**
   * Resolves once what a call is answered with has left this process; to false where its client was gone by then.
   * Undefined: it leaves at once.
   */
  readonly handedOver: (() => Promise<boolean>) | undefined;
  /** clientInfo.name, for clients that do not say it with each request. */
  readonly clientName: string | undefined;
}
