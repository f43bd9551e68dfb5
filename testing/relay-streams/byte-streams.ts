// Streams of relays whose messages are bytes, as they are on the wire.

import type { AddressInfo } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { RelayService } from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { grpcMethod } from "@hil/platform/rpc/grpc-method.ts";

export type ServedStream = grpc.ServerDuplexStream<Buffer, Buffer>;
export type CalledStream = grpc.ClientDuplexStream<Buffer, Buffer>;

const asIs = (bytes: Buffer) => bytes;
const { path } = grpcMethod(RelayService.method.attach);

export interface ByteServer {
  readonly port: number;
  close(): void;
}

/** Takes relays, whoever they are. */
export async function serveBytes(attach: (stream: ServedStream) => void): Promise<ByteServer> {
  const server = new grpc.Server();
  server.addService(
    {
      attach: {
        path,
        requestStream: true,
        responseStream: true,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    },
    { attach },
  );
  const port = await new Promise<AddressInfo["port"]>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, given) =>
      error ? reject(error) : resolve(given),
    );
  });
  return { port, close: () => server.forceShutdown() };
}

/** Attaches with a credential. The connection goes with the stream. */
export function callBytes(port: number, token: string): CalledStream {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  const call = client.makeBidiStreamRequest(path, asIs, asIs, metadata);
  call.on("error", () => {}); // the status says it
  call.on("status", () => client.close());
  return call;
}

/** As a stream ends whose connection is lost on the way. */
export function lost(): grpc.ServiceError {
  const details = "the connection was lost";
  const metadata = new grpc.Metadata();
  return Object.assign(new Error(details), { code: grpc.status.UNAVAILABLE, details, metadata });
}
