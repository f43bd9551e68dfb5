import { randomBytes } from "node:crypto";

/** Keys that a process makes for itself at every start, and shows nobody but its own parts. */
export interface ProcessKeys {
  /** What the services of the deployment show each other. */
  readonly serviceKey: string;
  /** What the gateway shows for callers that have no key. */
  readonly keylessKey: string;
}

export function createProcessKeys(): ProcessKeys {
  return {
    serviceKey: `hil_service_${randomBytes(32).toString("base64url")}`,
    keylessKey: `hil_keyless_${randomBytes(32).toString("base64url")}`,
  };
}
