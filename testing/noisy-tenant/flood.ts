// A tenant that calls as hard as it can, as a process of its own. Told "start" and "stop"; after "stop" it says how often
// it called and what it heard.

import { randomBytes } from "node:crypto";
import * as http from "node:http";
import * as http2 from "node:http2";
import { setPriority } from "node:os";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  CreateSessionRequestSchema,
  ListSessionsRequestSchema,
  WaitSessionRequestSchema,
} from "@hil/gen/hil/session/v1/session_service_pb.ts";

/** How often each thing was heard: an HTTP status, or "cut" where a call ended without one. */
export type Heard = Record<string, number>;

const [url, key, openSessionId] = process.argv.slice(2) as [string, string, string];
const CONNECTIONS = 8;
/** Calls under way on each connection. */
const DEPTH = 32;
/** Waits at a time. */
const WAITS = 200;
const BIG = 1024 * 1024;

// What the flood's own process costs is not the server's doing: it takes only what processors the others leave.
setPriority(19);

const service = "/hil.session.v1.SessionService";
const ask = (body: string) =>
  Buffer.from(
    toBinary(
      CreateSessionRequestSchema,
      create(CreateSessionRequestSchema, {
        requestId: randomBytes(12).toString("hex"),
        projectName: "flood",
        body,
        interaction: { kind: { case: "text", value: {} } },
      }),
    ),
  );
const waitFor = (sessionId: string) =>
  Buffer.from(
    toBinary(
      WaitSessionRequestSchema,
      create(WaitSessionRequestSchema, { sessionId, untilEnded: true, wait: { seconds: 3n } }),
    ),
  );
const waitForNothing = waitFor("0190b1c2-0000-7000-8000-000000000000");
const list = Buffer.from(
  toBinary(ListSessionsRequestSchema, create(ListSessionsRequestSchema, { pageSize: 100 })),
);
const bearer = `Bearer ${key}`;
const wrongKey = () => `Bearer hil_agent_${randomBytes(8).toString("hex")}`;

/** What it does, in turn. */
const calls: readonly (() => { path: string; body: Buffer; authorization: string })[] = [
  () => ({ path: `${service}/CreateSession`, body: ask("again?"), authorization: bearer }),
  () => ({ path: `${service}/WaitSession`, body: waitForNothing, authorization: bearer }),
  () => ({ path: `${service}/ListSessions`, body: list, authorization: bearer }),
  () => ({ path: `${service}/CreateSession`, body: randomBytes(64), authorization: bearer }), // cannot be read
  () => ({ path: "/hil.access.v1.AccessService/CreateTenant", body: list, authorization: bearer }), // may not
  () => ({ path: `${service}/CreateSession`, body: ask("again?"), authorization: wrongKey() }),
];
const bigRpc = ask("x".repeat(BIG));
const bigRest = JSON.stringify({ message: "x".repeat(BIG), chat_id: "flood", project_name: "flood" });

let isOn = false;
let heard: Heard = {};
const hear = (what: string) => {
  heard[what] = (heard[what] ?? 0) + 1;
};

function call2(
  session: http2.ClientHttp2Session,
  { path, body, authorization }: { path: string; body: Buffer; authorization: string },
): Promise<void> {
  return new Promise((resolve) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/proto",
      authorization,
    });
    let status = "cut";
    stream.on("response", (headers) => {
      status = String(headers[":status"]);
    });
    stream.on("error", () => {}); // "close" follows
    stream.on("close", () => {
      hear(status);
      resolve();
    });
    stream.resume();
    stream.end(body);
  });
}

function callRest(agent: http.Agent): Promise<void> {
  return new Promise((resolve) => {
    const request = http.request(`${url}/api/send`, {
      method: "POST",
      agent,
      headers: { authorization: bearer, "content-type": "application/json" },
    });
    const end = (what: string) => {
      hear(what);
      resolve();
    };
    request.on("response", (response) => {
      response.resume();
      response.on("close", () => end(`rest ${response.statusCode}`));
    });
    request.on("error", () => end("rest cut"));
    request.end(bigRest);
  });
}

async function flood2(number: number): Promise<void> {
  let session: http2.ClientHttp2Session | undefined;
  const open = () => {
    if (!session || session.closed || session.destroyed) {
      session = http2.connect(url);
      session.on("error", () => {}); // a new one is opened
    }
    return session;
  };
  await Promise.all(
    Array.from({ length: DEPTH }, async (_, lane) => {
      for (let n = number + lane; isOn; n++) await call2(open(), calls[n % calls.length]!());
    }),
  );
  session?.destroy();
}

async function floodWaits(): Promise<void> {
  const session = http2.connect(url);
  session.on("error", () => {}); // its calls end with "cut"
  const body = waitFor(openSessionId);
  await Promise.all(
    Array.from({ length: WAITS }, async () => {
      while (isOn && !session.destroyed) {
        await call2(session, { path: `${service}/WaitSession`, body, authorization: bearer });
      }
    }),
  );
  session.destroy();
}

async function floodBig(): Promise<void> {
  const session = http2.connect(url);
  session.on("error", () => {}); // its calls end with "cut"
  while (isOn && !session.destroyed) {
    await call2(session, { path: `${service}/CreateSession`, body: bigRpc, authorization: bearer });
  }
  session.destroy();
}

/** Calls without waiting for answers; connects again as often as it is cut off. */
async function floodBlindly(): Promise<void> {
  const body = ask("again?");
  while (isOn) {
    const session = http2.connect(url, { peerMaxConcurrentStreams: 100_000 });
    session.on("error", () => {}); // cut off
    const closed = new Promise((resolve) => session.once("close", resolve));
    const pump = setInterval(() => {
      for (let n = 0; n < 200 && !session.destroyed && !session.closed; n++) {
        void call2(session, { path: `${service}/CreateSession`, body, authorization: bearer });
      }
      if (!isOn) session.destroy();
    }, 5);
    await closed;
    clearInterval(pump);
  }
}

async function floodRest(): Promise<void> {
  const agent = new http.Agent({ keepAlive: true });
  while (isOn) await callRest(agent);
  agent.destroy();
}

let running: Promise<unknown> = Promise.resolve();
process.on("message", (command) => {
  if (command === "start") {
    isOn = true;
    heard = {};
    running = Promise.all([
      ...Array.from({ length: CONNECTIONS }, (_, number) => flood2(number)),
      floodWaits(),
      floodBig(),
      floodBig(),
      floodBlindly(),
      floodBlindly(),
      ...Array.from({ length: 4 }, floodRest),
    ]);
  } else {
    isOn = false;
    // A call that is still waiting for its answer need not be waited for.
    void Promise.race([running, new Promise((resolve) => setTimeout(resolve, 2_000))]).then(() =>
      process.send!(heard),
    );
  }
});
process.send!("ready");
