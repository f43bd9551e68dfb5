import { Code } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { expect, test } from "vitest";
import { hilError } from "../errors/hil-error.ts";
import { errorFields } from "./error-fields.ts";

test("an error of ours is told by its code, reason and words, with its cause", () => {
  const cause = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  const error = hilError(
    Code.Unavailable,
    ErrorReason.STORAGE_UNAVAILABLE,
    "the database is away",
    {},
    [],
    cause,
  );
  expect(errorFields(error)).toMatchObject({
    type: "ConnectError",
    code: "Unavailable",
    reason: "STORAGE_UNAVAILABLE",
    message: "the database is away",
    cause: { type: "Error", code: "ECONNREFUSED", message: "connect ECONNREFUSED" },
  });
});

test("I12: nothing that hangs on an error is told", () => {
  const error = Object.assign(new Error("duplicate key"), {
    detail: "secret row",
    headers: { cookie: "secret" },
  });
  expect(JSON.stringify({ ...errorFields(error), stack: "" })).not.toContain("secret");
  expect(errorFields("a word")).toEqual({ message: "a word" });
});

test("an error that causes itself ends", () => {
  const error = new Error("round");
  error.cause = error;
  expect(JSON.stringify(errorFields(error)).length).toBeLessThan(20_000);
});
