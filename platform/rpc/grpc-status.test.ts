import { Code, ConnectError } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { expect, test } from "vitest";
import { hilError, metadataOf, reasonOf } from "../errors/hil-error.ts";
import { errorOfStatus, serviceErrorOf } from "./grpc-status.ts";

const superseded = hilError(
  Code.Aborted,
  ErrorReason.RELAY_SUPERSEDED,
  "a newer stream has the name “plant-2”: 100 %",
  { relay_name: "plant-2" },
);

test("an error comes through grpc-js with its code, its sentence, its reason and its values", () => {
  const { code, details, metadata } = serviceErrorOf(superseded);
  const error = errorOfStatus({ code, details, metadata })!;
  expect(error.code).toBe(Code.Aborted);
  expect(error.rawMessage).toBe(superseded.rawMessage);
  expect(reasonOf(error)).toBe(ErrorReason.RELAY_SUPERSEDED);
  expect(metadataOf(error)).toEqual({ relay_name: "plant-2" });
});

test("a good end is no error, and one of somebody else keeps its code and words", () => {
  const metadata = new grpc.Metadata();
  expect(errorOfStatus({ code: grpc.status.OK, details: "", metadata })).toBeUndefined();
  const error = errorOfStatus({ code: grpc.status.UNAVAILABLE, details: "gone", metadata })!;
  expect([error.code, error.rawMessage]).toEqual([Code.Unavailable, "gone"]);
  expect(reasonOf(error)).toBe(ErrorReason.UNSPECIFIED);
});

test("details that nobody can read leave the code and the words", () => {
  const metadata = new grpc.Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from("no status"));
  const error = errorOfStatus({ code: grpc.status.ABORTED, details: "gone", metadata });
  expect(error).toBeInstanceOf(ConnectError);
  expect([error!.code, error!.rawMessage]).toEqual([Code.Aborted, "gone"]);
});
