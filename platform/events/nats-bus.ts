// The bus of the distributed form: NATS.
//
// J1. What is published goes through JetStream, so that other systems can follow it with durable consumers of their own
//     and copies are dropped by their id. Only features of server 2.9 are used.
// J2. Listeners hear the same messages as plain subscribers: at once, and whatever became of the stream.
// J3. The connection is tried for ever. A stream that is gone (a wiped store) is made again by the next message.
// J4. After each reconnect listeners are told that they may have missed something (B3).

import { type JetStreamClient, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { type ConnectionOptions, connect, type NatsConnection } from "@nats-io/transport-node";
import type { Log } from "../telemetry/log.ts";
import type { BusMessage, EventBus, Subscription } from "./event-bus.ts";

/** The stream that holds the events of all services. */
export const STREAM = "HIL_EVENTS";
const SUBJECTS = ["hil.>"];
/** How long events stay in the stream, for other systems that follow it. */
const KEPT_MS = 24 * 3_600_000;
const KEPT_BYTES = 1024 ** 3;
/** Within this time a message that is published again is dropped. */
const DUPLICATE_WINDOW_MS = 120_000;
const PUBLISH_PATIENCE_MS = 2_000;
const MESSAGE_ID_HEADER = "Nats-Msg-Id";
const NANOSECONDS = 1_000_000;

export interface NatsBusOptions {
  /** "nats://host:4222", several separated by commas; tls:// for TLS; user and password or token in the address. */
  readonly url: string;
  /** Names this connection in the server's lists. */
  readonly name: string;
  readonly log: Log;
}

/** Connects. Waits for the server for as long as it takes. */
export async function openNatsBus({ url, name, log }: NatsBusOptions): Promise<EventBus> {
  const connection = await connect({ ...connectionOptions(url), name });
  const js = jetstream(connection, { timeout: PUBLISH_PATIENCE_MS });
  const gapListeners = new Set<() => void>();
  let connected = true;
  void watchConnection(connection, log, {
    onDisconnect() {
      connected = false;
    },
    onReconnect() {
      connected = true;
      for (const listener of gapListeners) listener();
    },
  });
  await ensureStream(connection).catch((error: unknown) => {
    log.warn({ err: error }, "JetStream is not there yet; it is tried again with each event");
  });
  return {
    async publish(messages) {
      try {
        await publishAll(js, messages);
      } catch {
        // Most often the stream is gone; where it is something else, the second try says so.
        await ensureStream(connection);
        await publishAll(js, messages);
      }
    },
    async subscribe(pattern, handler): Promise<Subscription> {
      let closed = false;
      const subscription = connection.subscribe(pattern, {
        callback(error, message) {
          if (closed || error) return; // an error here ends the subscription's connection, which is watched
          try {
            const id = message.headers?.get(MESSAGE_ID_HEADER) ?? "";
            handler({ subject: message.subject, id, data: message.data });
          } catch (failure) {
            log.error(
              { err: failure, subject: message.subject },
              "an event handler failed; the sweep will cover it",
            );
          }
        },
      });
      await connection.flush();
      return {
        async close() {
          closed = true;
          subscription.unsubscribe();
        },
      };
    },
    onGap(listener) {
      gapListeners.add(listener);
      return () => gapListeners.delete(listener);
    },
    isConnected: () => connected,
    async close() {
      connected = false;
      gapListeners.clear();
      await connection.close();
    },
  };
}

function connectionOptions(url: string): ConnectionOptions {
  const servers: string[] = [];
  const options: ConnectionOptions = {
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
    reconnectTimeWait: 100,
    reconnectJitter: 400,
    pingInterval: 5_000,
    maxPingOut: 2,
    ignoreAuthErrorAbort: true,
  };
  for (const each of url.split(",")) {
    const address = new URL(each.trim());
    servers.push(address.host);
    if (address.protocol === "tls:") options.tls = {};
    if (address.password) {
      options.user = decodeURIComponent(address.username);
      options.pass = decodeURIComponent(address.password);
    } else if (address.username) {
      options.token = decodeURIComponent(address.username);
    }
  }
  return { ...options, servers };
}

async function publishAll(js: JetStreamClient, messages: readonly BusMessage[]): Promise<void> {
  await Promise.all(messages.map(({ subject, id, data }) => js.publish(subject, data, { msgID: id })));
}

async function ensureStream(connection: NatsConnection): Promise<void> {
  const manager = await jetstreamManager(connection, { timeout: PUBLISH_PATIENCE_MS });
  const config = {
    name: STREAM,
    subjects: SUBJECTS,
    max_age: KEPT_MS * NANOSECONDS,
    max_bytes: KEPT_BYTES,
    duplicate_window: DUPLICATE_WINDOW_MS * NANOSECONDS,
  };
  try {
    await manager.streams.info(STREAM);
  } catch {
    await manager.streams.add(config);
  }
}

async function watchConnection(
  connection: NatsConnection,
  log: Log,
  { onDisconnect, onReconnect }: { onDisconnect: () => void; onReconnect: () => void },
): Promise<void> {
  for await (const status of connection.status()) {
    switch (status.type) {
      case "disconnect":
        onDisconnect();
        log.warn({ server: status.server }, "NATS is away; waiters are found by the sweep until it is back");
        break;
      case "reconnect":
        log.info({ server: status.server }, "NATS is back");
        onReconnect();
        break;
      case "slowConsumer":
        onReconnect();
        break;
      case "error":
        log.warn({ err: status.error }, "NATS said that something is wrong");
        break;
      default:
    }
  }
}
