// The port where relays attach: gRPC alone, by gRPC's own library.

import * as grpc from "@grpc/grpc-js";
import { RelayService } from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { grpcMethod } from "@hil/platform/rpc/grpc-method.ts";
import type { RelayListenerConfig } from "./config.ts";
import type { AttachHandler } from "./relay-service.ts";

/** A batch is small; one message of a vendor in it may be as large as its limit. */
const MOST_MESSAGE_BYTES = 1024 * 1024;
/**
 * Pings find connections that nobody uses any more. They are patient: on a slow line a ping waits behind what was sent before,
 * and streams have heartbeats of their own.
 */
const PING_INTERVAL_MS = 60_000;
const PING_PATIENCE_MS = 30_000;

export interface RelayListener {
  readonly port: number;
  /** Cuts what is still open. */
  close(): void;
}

/** Listens. Rejects with a sentence that says what to change where it cannot. */
export async function startRelayListener({
  config: { host, port, tls },
  attach,
}: {
  config: RelayListenerConfig;
  attach: AttachHandler;
}): Promise<RelayListener> {
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MOST_MESSAGE_BYTES,
    "grpc.keepalive_time_ms": PING_INTERVAL_MS,
    "grpc.keepalive_timeout_ms": PING_PATIENCE_MS,
  });
  server.addService({ attach: grpcMethod(RelayService.method.attach) }, { attach });
  const credentials = tls
    ? grpc.ServerCredentials.createSsl(
        tls.clientAuthorities ?? null,
        [{ private_key: tls.key, cert_chain: tls.certificate }],
        tls.clientAuthorities !== undefined,
      )
    : grpc.ServerCredentials.createInsecure();
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (error, given) => {
      if (error) reject(cannotListen(host, port, error));
      else resolve(given);
    });
  });
  return { port: bound, close: () => server.forceShutdown() };
}

function cannotListen(host: string, port: number, cause: Error): Error {
  return new Error(
    `relays cannot be heard at port ${port} on ${host}: stop what uses it, or set HIL_RELAY_PORT to another (${cause.message})`,
    { cause },
  );
}
