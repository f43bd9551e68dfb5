import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { expect, test } from "vitest";
import { isRepeatable } from "./repeatable.ts";

test("M2: only what the contract calls idempotent is repeated, and a request without its id is not", () => {
  const { createSession, waitSession } = SessionService.method;
  expect(isRepeatable(waitSession, {})).toBe(true);
  expect(isRepeatable(createSession, { requestId: "r" })).toBe(true);
  expect(isRepeatable(createSession, { requestId: "" })).toBe(false);
  expect(isRepeatable(createSession, {})).toBe(false);
  expect(isRepeatable(AccessService.method.createMember, {})).toBe(false);
});
