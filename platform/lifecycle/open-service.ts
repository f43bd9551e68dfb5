import type { Service } from "../rpc/service.ts";

/** A service with its database open and its workers running. */
export interface OpenService {
  readonly service: Service;
  /** Ends waits as if their time were over, new ones at once, so that their callers go elsewhere. Default: it has none. */
  drain?(): void;
  /** Stops its workers and closes its database. Idempotent. What was accepted is kept. */
  close(): Promise<void>;
}
