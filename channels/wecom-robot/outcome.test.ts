import { expect, test } from "vitest";
import { outcomeOfAnswer, outcomeOfError } from "./outcome.ts";

const now = new Date("2026-11-20T12:00:00Z");
const answer = (status: number, body: string, retryAfter?: string) =>
  outcomeOfAnswer({ status, body, retryAfter }, now);
const code = (errcode: number, errmsg = "x") => answer(200, JSON.stringify({ errcode, errmsg }));

test.each([
  [0, { kind: "delivered" }],
  [-1, { kind: "retryable" }],
  [45009, { kind: "retryable", retryAfterMs: 60_000 }],
  [40058, { kind: "refused", broken: false }],
  [93000, { kind: "refused", broken: true }],
  [93004, { kind: "refused", broken: true }],
  [93005, { kind: "refused", broken: false }],
  [93008, { kind: "refused", broken: false }],
  [12345, { kind: "refused", broken: false }],
])("F19: errcode %i decides what happens next", (errcode, expected) => {
  expect(code(errcode)).toMatchObject(expected);
});

test("93000 for an over-long text is the message's fault, not the key's", () => {
  expect(code(93000, "content exceed max length")).toMatchObject({ kind: "refused", broken: false });
});

test.each([
  [500, undefined, { kind: "retryable", retryAfterMs: undefined }],
  [503, "120", { kind: "retryable", retryAfterMs: 120_000 }],
  [503, "Fri, 20 Nov 2026 12:00:30 GMT", { kind: "retryable", retryAfterMs: 30_000 }],
  [429, undefined, { kind: "retryable", retryAfterMs: 60_000 }],
  [302, undefined, { kind: "refused", broken: false }],
  [404, undefined, { kind: "refused", broken: false }],
  [403, undefined, { kind: "refused", broken: true }],
])("F19: HTTP %i with Retry-After %s", (status, retryAfter, expected) => {
  expect(answer(status, "x", retryAfter)).toMatchObject(expected);
});

test.each(["", "{", '{"errcode":0,"er', "<html>", "[]", "null", '{"errcode":"0"}'])(
  "F19: a 200 that cannot be read is unknown: %s",
  (body) => expect(answer(200, body).kind).toBe("unknown"),
);

test.each([
  ["ECONNREFUSED", "retryable"],
  ["ENOTFOUND", "retryable"],
  ["UND_ERR_CONNECT_TIMEOUT", "retryable"],
  ["CERT_HAS_EXPIRED", "retryable"],
  ["ECONNRESET", "unknown"],
  ["UND_ERR_SOCKET", "unknown"],
  ["UND_ERR_HEADERS_TIMEOUT", "unknown"],
])("I5: only an error from before the connection counts as not sent: %s", (name, kind) => {
  expect(outcomeOfError(Object.assign(new Error("to https://x/?key=SECRET"), { code: name })).kind).toBe(
    kind,
  );
});

test("I12: an error is named by its code, never by its text", () => {
  expect(JSON.stringify(outcomeOfError(new Error("POST /send?key=SECRET")))).not.toContain("SECRET");
});
