// Slows down guessing: wrong credentials, counted by the address that they come from.
//
// F1. From an address that showed too many wrong credentials, one that is new here is refused before it is verified.
// F2. Others at that address are not hurt. A credential that was right lately is verified as ever; one that is new here
//     is verified when it comes back after a second, as its refusal says. Guessing that way means holding each guess
//     for a second and showing it twice.
// F3. A credential that was wrong is not verified again from such an address for a minute.
// F4. Memory is bounded, and holds no credential: only what is left of it after hashing.

import { hash } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "../errors/hil-error.ts";
import { refusedByLimit } from "../telemetry/metrics.ts";
import { createKeyedLimit } from "./keyed-limit.ts";
import { RecentMap } from "./recent-map.ts";

/** Wrong credentials of one address before new ones are refused; as many come together again in a minute. */
export const MAX_FAILURES = 30;
const WINDOW_MS = 60_000;
const COME_BACK_MS = 1_000;
const MAX_ADDRESSES = 20_000;
const MAX_CREDENTIALS = 100_000;

export interface FailedCredentials {
  /** Throws RATE_LIMITED where this credential is not to be verified now. Call it before verifying. */
  check(address: string, credential: string): void;
  /** Counts a credential that was wrong. */
  failed(address: string, credential: string): void;
  /** Notes one that was right. */
  succeeded(credential: string): void;
}

export function createFailedCredentials({ now }: { now: () => Date }): FailedCredentials {
  const failures = createKeyedLimit({
    points: MAX_FAILURES,
    windowMs: WINDOW_MS,
    now,
    maxKeys: MAX_ADDRESSES,
  });
  /** From when on each credential is verified whatever its address, in milliseconds since 1970. */
  const verifiedFrom = new RecentMap<number>(MAX_CREDENTIALS);
  return {
    check(address, credential) {
      if (failures.retryAfterMs(address) === 0) return;
      const nowMs = now().getTime();
      const key = fingerprint(credential);
      const fromMs = verifiedFrom.get(key);
      if (fromMs === undefined) verifiedFrom.set(key, nowMs + COME_BACK_MS);
      const waitMs = Math.min((fromMs ?? nowMs + COME_BACK_MS) - nowMs, WINDOW_MS);
      if (waitMs > 0) throw tooManyFailures(waitMs);
    },
    failed(address, credential) {
      failures.take(address);
      verifiedFrom.set(fingerprint(credential), now().getTime() + WINDOW_MS);
    },
    succeeded(credential) {
      verifiedFrom.set(fingerprint(credential), 0);
    },
  };
}

/** 96 bits: a guess that has another's fingerprint gains nothing but to be verified. */
function fingerprint(credential: string): string {
  return hash("sha256", credential, "base64url").slice(0, 16);
}

function tooManyFailures(retryAfterMs: number) {
  const limit = "failed_credentials_per_address";
  refusedByLimit.inc({ limit });
  return hilError(
    Code.ResourceExhausted,
    ErrorReason.RATE_LIMITED,
    `too many wrong credentials came from this address; send a right one again in ${retryAfterMs} ms`,
    { limit, retry_after_ms: String(retryAfterMs) },
  );
}
