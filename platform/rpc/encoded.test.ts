import { create, toBinary } from "@bufbuild/protobuf";
import { SessionSchema } from "@hil/gen/hil/session/v1/session_pb.ts";
import {
  GetSessionResponseSchema,
  SubmitReplyResponseSchema,
} from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { expect, test } from "vitest";
import { encodeResponse, rememberEncoded } from "./encoded.ts";

test.each([0, 1, 127, 128, 20_000, 3_000_000])(
  "a remembered message of %i characters goes out as an encoder would write it",
  (length) => {
    const session = create(SessionSchema, { id: "s", body: "x".repeat(length), version: 7n });
    const expected = toBinary(GetSessionResponseSchema, create(GetSessionResponseSchema, { session }));
    expect(Buffer.from(encodeResponse(GetSessionResponseSchema, { session }))).toEqual(Buffer.from(expected));
    rememberEncoded(session, toBinary(SessionSchema, session));
    expect(Buffer.from(encodeResponse(GetSessionResponseSchema, { session }))).toEqual(Buffer.from(expected));
  },
);

test("a response of several fields, of none, or without a remembered one is encoded as ever", () => {
  const session = rememberEncoded(create(SessionSchema, { id: "s" }), new Uint8Array([1, 2, 3]));
  const several = { session, guidance: "g", disposition: 1 as const };
  expect(encodeResponse(SubmitReplyResponseSchema, several)).toEqual(
    toBinary(SubmitReplyResponseSchema, create(SubmitReplyResponseSchema, several)),
  );
  expect(encodeResponse(GetSessionResponseSchema, {})).toEqual(new Uint8Array());
  expect(encodeResponse(GetSessionResponseSchema, { session: undefined })).toEqual(new Uint8Array());
});
