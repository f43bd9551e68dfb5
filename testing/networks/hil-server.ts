// HIL as it is run, the embedded form with its robot behind a relay, and what is to be read there.

import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Inbound } from "@hil/gen/hil/callback/v1/callback_pb.ts";
import { CallbackService } from "@hil/gen/hil/callback/v1/callback_service_pb.ts";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import { Relay_State } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { Session_State } from "@hil/gen/hil/session/v1/session_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { startEmbeddedDeployment } from "../chaos/embedded-deployment.ts";
import { createRelayKey } from "../processes/relay-key.ts";
import { freePort } from "../servers/free-port.ts";

const RELAY_NAME = "plant-2";
const PAGE = 200;
/** Of a machine that runs much besides. */
const CALL_PATIENCE_MS = 30_000;

export interface HilServer extends AsyncDisposable {
  readonly relayPort: number;
  /** The credential of the relay. */
  readonly token: string;
  readonly sessions: Client<typeof SessionService>;
  /** Whether HIL says that the relay is attached. */
  isAttached(): Promise<boolean>;
  /** How many streams the relay has had. */
  streams(): Promise<number>;
  /** The vendor's messages that are in the inbox, newest first. */
  inbox(): Promise<readonly Inbound[]>;
  /** The id of the newest. */
  newestInbound(): Promise<string | undefined>;
  /** The ids of the sessions that wait for an answer. */
  openSessions(): Promise<ReadonlySet<string>>;
  /** How many tries at bringing a question to people ended with nobody knowing whether they saw it. */
  unknownAttempts(sessionId: string): Promise<number>;
  /** Kills it, and starts it again on what it left behind. */
  replace(): Promise<void>;
}

/** Starts HIL, which hears relays at `host`. */
export async function startHilServer({ host }: { host: string }): Promise<HilServer> {
  const relayPort = await freePort();
  const deployment = await startEmbeddedDeployment({
    HIL_MODE: "relay",
    HIL_RELAY_HOST: host,
    HIL_RELAY_PORT: String(relayPort),
  });
  const transport = createConnectTransport({
    baseUrl: deployment.url,
    httpVersion: "1.1",
    defaultTimeoutMs: CALL_PATIENCE_MS,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${deployment.ownerKey}`);
        return next(request);
      },
    ],
  });
  const sessions = createClient(SessionService, transport);
  const callback = createClient(CallbackService, transport);
  const delivery = createClient(DeliveryService, transport);
  const relay = async () => {
    const { relays } = await delivery.listRelays({});
    return relays.find(({ name }) => name === RELAY_NAME);
  };
  return {
    relayPort,
    token: await createRelayKey(deployment, RELAY_NAME),
    sessions,
    isAttached: async () => (await relay())?.state === Relay_State.ATTACHED,
    streams: async () => Number((await relay())?.epoch ?? 0),
    inbox: () =>
      all(async (pageToken) => {
        const { inbounds, nextPageToken } = await callback.listInbound({ pageSize: PAGE, pageToken });
        return { found: inbounds, nextPageToken };
      }),
    newestInbound: async () => (await callback.listInbound({ pageSize: 1 })).inbounds[0]?.id,
    async openSessions() {
      const filter = { states: [Session_State.OPEN] };
      const open = await all(async (pageToken) => {
        const page = await sessions.listSessions({ filter, pageSize: PAGE, pageToken });
        return { found: page.sessions, nextPageToken: page.nextPageToken };
      });
      return new Set(open.map(({ id }) => id));
    },
    async unknownAttempts(sessionId) {
      const { deliveries } = await delivery.listDeliveries({ sessionId });
      return deliveries
        .flatMap(({ attempts }) => attempts)
        .filter(({ outcome }) => outcome === Attempt_Outcome.UNKNOWN).length;
    },
    async replace() {
      const [server] = deployment.targets;
      await server!.kill();
      await server!.restart();
    },
    [Symbol.asyncDispose]: () => deployment[Symbol.asyncDispose](),
  };
}

/** What all pages hold. */
async function all<T>(
  page: (pageToken: string) => Promise<{ readonly found: readonly T[]; readonly nextPageToken: string }>,
): Promise<T[]> {
  const all: T[] = [];
  for (let pageToken = ""; ; ) {
    const { found, nextPageToken } = await page(pageToken);
    all.push(...found);
    if (!nextPageToken) return all;
    pageToken = nextPageToken;
  }
}
