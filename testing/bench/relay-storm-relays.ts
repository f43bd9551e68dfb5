// Many relays in one process, each with a connection of its own that it opens again as edge-relay does:
// relay-storm-relays.ts <port> <file with a credential a line>. It prints "listening <port>" of HTTP: POST /say has each of
// them hear one message of a vendor, and every answer tells how they are. A relay says what was not acknowledged again
// on its next stream.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { uuidV7 } from "@hil/platform/ids/uuid-v7.ts";
import { reattachPauseMs } from "../../edge-relay/backoff.ts";
import type { Way } from "../../edge-relay/config.ts";
import { knock } from "../../edge-relay/dial.ts";
import { openRawRelay, type RawRelay, ROBOT } from "../../services/delivery/testing/raw-relay.ts";
import { callbackOf } from "../fake-wecom/person.ts";

const HEARTBEAT_MS = 2_000;
const [port, file] = process.argv.slice(2);
if (!port || !file) throw new Error("relay-storm-relays.ts <port> <file>");

const WAY: Way = {
  server: {
    host: "127.0.0.1",
    port: Number(port),
    tls: false,
    text: `grpc://127.0.0.1:${port}`,
    isOfEarlierWorker: false,
  },
  proxy: undefined,
  ca: undefined,
  identity: undefined,
  token: "",
  refreshed: () => WAY,
};
const NEVER = new AbortController().signal;

/** How the relays are. */
export interface StormState {
  readonly attached: number;
  /** How many streams had their Welcome. */
  readonly attachments: number;
  /** Messages that vendors said, by the vendor's id. */
  readonly said: readonly string[];
  /** How many of them were not acknowledged. */
  readonly waiting: number;
}

interface Kept {
  readonly inboundId: string;
  readonly body: string;
  readonly receiveTimeMs: number;
}

interface Relay {
  readonly waiting: Kept[];
  /** Of those waiting, how many were said on the stream that stands. */
  unacknowledged: number;
  stream: RawRelay | undefined;
}

const relays: Relay[] = [];
const said: string[] = [];
let attachments = 0;

/** Attaches, and attaches again, without end. */
async function keepAttached(relay: Relay, token: string): Promise<never> {
  let lostMs = performance.now();
  for (let attempt = 0; ; attempt += 1) {
    if (attempt > 0) await pause(reattachPauseMs(attempt, { outageMs: performance.now() - lostMs }));
    if (attempt > 0 && !(await knock(WAY, NEVER))) continue;
    const stream = openRawRelay(Number(port), { token, options: { "grpc.use_local_subchannel_pool": 1 } });
    stream.wellBehaved = false; // its heartbeats are more frequent than a relay's
    try {
      await stream.hello();
    } catch {
      stream.cut();
      continue;
    }
    attachments += 1;
    attempt = 0;
    relay.stream = stream;
    relay.unacknowledged = 0;
    let acknowledged = 0n;
    stream.onHeard = () => {
      const count = Number(stream.acknowledged - acknowledged);
      acknowledged = stream.acknowledged;
      relay.waiting.splice(0, count);
      relay.unacknowledged -= count;
    };
    sayWaiting(relay);
    const beating = setInterval(
      () => stream.say({ message: { case: "heartbeat", value: {} } }),
      HEARTBEAT_MS,
    );
    await stream.ended;
    clearInterval(beating);
    relay.stream = undefined;
    lostMs = performance.now();
  }
}

function sayWaiting(relay: Relay): void {
  for (const { inboundId, body, receiveTimeMs } of relay.waiting.slice(relay.unacknowledged)) {
    relay.stream?.frames({
      kind: {
        case: "inbound",
        value: {
          inboundId,
          channelId: ROBOT.channelId,
          body: Buffer.from(body),
          receiveTime: timestampFromMs(receiveTimeMs),
        },
      },
    });
    if (relay.stream) relay.unacknowledged += 1;
  }
}

function hear(relay: Relay): void {
  const msgid = `storm-${said.length}`;
  said.push(msgid);
  const body = callbackOf({ chatid: `chat-${said.length % 200}`, text: "good morning", msgid }, "Robot");
  relay.waiting.push({
    inboundId: uuidV7(Date.now()),
    body: JSON.stringify(body),
    receiveTimeMs: Date.now(),
  });
  sayWaiting(relay);
}

for (const token of readFileSync(file, "utf8").trim().split("\n")) {
  const relay: Relay = { waiting: [], unacknowledged: 0, stream: undefined };
  relays.push(relay);
  void keepAttached(relay, token);
}
const control = createServer((request, response) => {
  if (request.method === "POST" && request.url === "/say") for (const relay of relays) hear(relay);
  const state: StormState = {
    attached: relays.filter(({ stream }) => stream !== undefined).length,
    attachments,
    said: request.url === "/said" ? said : [],
    waiting: relays.reduce((sum, { waiting }) => sum + waiting.length, 0),
  };
  response.end(JSON.stringify(state));
});
control.listen(0, "127.0.0.1", () => {
  process.stdout.write(`listening ${(control.address() as AddressInfo).port}\n`);
});
