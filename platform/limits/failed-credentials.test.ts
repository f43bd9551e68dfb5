import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { beforeEach, expect, test } from "vitest";
import { metadataOf, reasonOf } from "../errors/hil-error.ts";
import { createFailedCredentials, type FailedCredentials, MAX_FAILURES } from "./failed-credentials.ts";

const PROXY = "192.0.2.1";
let time: number;
let credentials: FailedCredentials;
beforeEach(() => {
  time = Date.parse("2026-11-20T10:00:00Z");
  credentials = createFailedCredentials({ now: () => new Date(time) });
});

/** Why a credential is not verified now; undefined where it is. */
function refusal(credential: string, address = PROXY): unknown {
  try {
    credentials.check(address, credential);
    return undefined;
  } catch (error) {
    return error;
  }
}
/** Shows wrong credentials until they are refused unverified; how many were verified. */
function guess(most = 10_000): number {
  let verified = 0;
  for (let n = 0; n < most; n++) {
    if (refusal(`guess-${time}-${n}`)) continue;
    verified += 1;
    credentials.failed(PROXY, `guess-${time}-${n}`);
  }
  return verified;
}

test("F1: a flood of guesses from one address is refused unverified", () => {
  expect(guess()).toBe(MAX_FAILURES);
  const error = refusal("one-more");
  expect(reasonOf(error)).toBe(ErrorReason.RATE_LIMITED);
  expect(metadataOf(error)).toEqual({ limit: "failed_credentials_per_address", retry_after_ms: "1000" });
  expect(refusal("one-more", "192.0.2.2")).toBeUndefined();
});

test("F2: a right credential goes on working from the address of a flood", () => {
  credentials.succeeded("right");
  guess();
  for (let n = 0; n < 100; n++) expect(refusal("right")).toBeUndefined();
  time += 3_600_000;
  guess();
  expect(refusal("right")).toBeUndefined();
});

test("F2: a right credential that is new here is let through when it comes back, however many guesses come between", () => {
  guess();
  expect(metadataOf(refusal("new")).retry_after_ms).toBe("1000");
  guess(40_000);
  time += 999;
  expect(refusal("new")).toBeDefined();
  time += 1;
  expect(refusal("new")).toBeUndefined();
});

test("F3: a wrong credential is not verified again for a minute", () => {
  guess();
  refusal("wrong");
  time += 1_000;
  guess();
  expect(refusal("wrong")).toBeUndefined();
  credentials.failed(PROXY, "wrong");
  time += 5_000;
  guess();
  expect(metadataOf(refusal("wrong")).retry_after_ms).toBe("55000");
});

test("an address that stops guessing is forgiven at an even pace", () => {
  guess();
  time += 60_000;
  expect(guess()).toBe(MAX_FAILURES);
});
