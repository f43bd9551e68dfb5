// Attach as grpc-js makes it, with messages of protobuf-es.

import { type DescMethodBiDiStreaming, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import * as grpc from "@grpc/grpc-js";
import { RelayService } from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";

const { attach } = RelayService.method satisfies { attach: DescMethodBiDiStreaming };

export type AttachCall = grpc.ClientDuplexStream<
  MessageShape<typeof attach.input>,
  MessageShape<typeof attach.output>
>;

/** Opens the stream. Every failure is an event of it. */
export function callAttach(client: grpc.Client, token: string): AttachCall {
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  return client.makeBidiStreamRequest(
    `/${RelayService.typeName}/${attach.name}`,
    (message: MessageShape<typeof attach.input>) => Buffer.from(toBinary(attach.input, message)),
    (bytes: Buffer) => fromBinary(attach.output, bytes),
    metadata,
  );
}

/** The error that a call ended with, with its details. Undefined: it ended well. */
export function errorOf({ code, details, metadata }: grpc.StatusObject): ConnectError | undefined {
  if (code === grpc.status.OK) return undefined;
  const headers = new Headers({
    "grpc-status": String(code),
    "grpc-message": encodeURIComponent(details.toWellFormed()),
  });
  const [bin] = metadata.get("grpc-status-details-bin");
  if (bin instanceof Buffer) headers.set("grpc-status-details-bin", bin.toString("base64"));
  try {
    return findTrailerError(headers) ?? new ConnectError(details, code as number);
  } catch {
    return new ConnectError(details, code as number); // details that nobody can read
  }
}
