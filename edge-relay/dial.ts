// The way out: one gRPC channel for each try, so that nothing of an earlier one, its pauses and its dead connections, is in
// the way of the next.

import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import type { Way } from "./config.ts";

/**
 * HTTP/2 pings find a connection that is dead below a stream that is not. They are patient: on a slow line they wait behind
 * what is said, and whether the other side lives is told by what it says, much sooner.
 */
const PING_EVERY_MS = 20_000;
const PING_PATIENCE_MS = 60_000;
const MOST_MESSAGE_BYTES = 8 * 1024 * 1024;

/** Makes grpc-js use this way's proxy and no other. It reads them from the environment only, at each connection. */
export function setProxy({ proxy }: Way, environment: NodeJS.ProcessEnv = process.env): void {
  for (const name of ["grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy"])
    delete environment[name];
  if (proxy) environment.grpc_proxy = proxy.url;
}

/** Opens a client. Nothing is connected until it is called. */
export function openClient({ server, ca, identity }: Way): grpc.Client {
  const credentials = server.tls
    ? grpc.credentials.createSsl(ca, identity?.key, identity?.cert)
    : grpc.credentials.createInsecure();
  return new grpc.Client(targetOf(server), credentials, {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 1_000_000, // one try; the next is another client
    "grpc.keepalive_time_ms": PING_EVERY_MS,
    "grpc.keepalive_timeout_ms": PING_PATIENCE_MS,
    "grpc.keepalive_permit_without_calls": 0,
    "grpc.max_receive_message_length": MOST_MESSAGE_BYTES,
    "grpc.max_send_message_length": MOST_MESSAGE_BYTES,
    "grpc.enable_retries": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.primary_user_agent": "hil-relay",
  });
}

function targetOf({ host, port }: Way["server"]): string {
  return `dns:${host}:${port}`;
}

/** How long a call to open a connection may stay without an answer, and how often another one is made meanwhile. */
const KNOCK_LIFE_MS = 8_000;
const KNOCK_EVERY_MS = 1_000;

/**
 * Resolves when something takes connections where the way begins: the proxy, or the server. Calls again and again without
 * taking back the calls before, because the system repeats an unanswered one seldom. So a network that heals is noticed
 * within a second, and one that is slow is not taken for one that is dead. False: none was taken within the time of one.
 */
export async function knock({ server, proxy }: Way, signal: AbortSignal): Promise<boolean> {
  const { host, port } = proxy ?? server;
  const sockets = new Set<Socket>();
  const taken = Promise.withResolvers<boolean>();
  const refused = new AbortController();
  const one = () => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ""), port });
    sockets.add(socket);
    socket.once("connect", () => taken.resolve(true));
    socket.once("error", () => {
      sockets.delete(socket);
      socket.destroy();
      refused.abort(); // a no is an answer: whoever waits for the next try decides when
    });
  };
  try {
    const over = AbortSignal.any([signal, refused.signal]);
    const calling = (async () => {
      for (let spentMs = 0; spentMs < KNOCK_LIFE_MS && !over.aborted; spentMs += KNOCK_EVERY_MS) {
        one();
        await pause(KNOCK_EVERY_MS, undefined, { signal: over }).catch(() => {});
      }
      taken.resolve(false);
    })();
    const result = await taken.promise;
    refused.abort();
    await calling;
    return result;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}
