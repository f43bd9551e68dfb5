import type { MessageShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { RelayService } from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { grpcMethod } from "@hil/platform/rpc/grpc-method.ts";

const { attach } = RelayService.method;
const method = grpcMethod(attach);

export type AttachCall = grpc.ClientDuplexStream<
  MessageShape<typeof attach.input>,
  MessageShape<typeof attach.output>
>;

/** Opens the stream. Every failure is an event of it. */
export function callAttach(client: grpc.Client, token: string): AttachCall {
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  return client.makeBidiStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    metadata,
  );
}
