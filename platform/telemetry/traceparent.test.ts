import { expect, test } from "vitest";
import { readTraceparent, writeTraceparent } from "./traceparent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

test.each([
  ["of version 00", `00-${TRACE}-${SPAN}-01`, 1],
  ["that is not sampled", `00-${TRACE}-${SPAN}-00`, 0],
  ["of a later version, with more behind", `cc-${TRACE}-${SPAN}-03-what-the-future-will-be`, 3],
])("a traceparent %s is read", (_, header, flags) => {
  expect(readTraceparent(header)).toEqual({ traceId: TRACE, spanId: SPAN, flags });
  expect(writeTraceparent(readTraceparent(header)!)).toBe(`00-${TRACE}-${SPAN}-0${flags}`);
});

test.each([
  ["nothing", null],
  ["an empty one", ""],
  ["the forbidden version", `ff-${TRACE}-${SPAN}-01`],
  ["version 00 with more behind", `00-${TRACE}-${SPAN}-01-x`],
  ["a trace of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
  ["a span of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["capitals", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
  ["a short trace", `00-${TRACE.slice(1)}-${SPAN}-01`],
  ["several", `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
  ["a line break behind", `00-${TRACE}-${SPAN}-01\n`],
  ["a flood", `cc-${TRACE}-${SPAN}-01-${"x".repeat(10_000)}`],
])("%s is as if it were not there", (_, header) => {
  expect(readTraceparent(header)).toBeUndefined();
});
