// RPCs of the contracts as grpc-js makes and serves them, with messages of protobuf-es.

import { type DescMethod, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type * as grpc from "@grpc/grpc-js";

/** One RPC for grpc-js. */
export function grpcMethod<M extends DescMethod>(
  method: M,
): grpc.MethodDefinition<MessageShape<M["input"]>, MessageShape<M["output"]>> {
  const { input, output, methodKind } = method;
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    requestSerialize: (message) => bytesOf(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes) as MessageShape<M["input"]>,
    responseSerialize: (message) => bytesOf(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes) as MessageShape<M["output"]>,
  };
}

/** grpc-js takes Node's buffers only; this one shares the message's memory. */
function bytesOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
