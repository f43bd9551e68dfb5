import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CallbackServer, startCallbackServer } from "./callback-server.ts";
import { openSpool, type Spool } from "./spool.ts";

const MESSAGE = JSON.stringify({ msgid: "m", chatid: "c", msgtype: "text", text: { content: "yes" } });

let folder: string;
let spool: Spool;
let server: CallbackServer;
let kept: number;

const open = async (authHeader?: { name: string; value: string }, mostBytes = 1_000_000) => {
  spool = openSpool({ dataDir: folder, mostBytes, log: silentLog, now: () => new Date() });
  server = await startCallbackServer({
    config: { host: "127.0.0.1", port: 0, authHeader },
    channels: ["wecom-robot", "robot-b"],
    spool,
    kept: () => {
      kept += 1;
    },
    state: () => ({ attached: false, relayName: undefined, reason: "not yet", refusedChannels: new Map() }),
    log: silentLog,
    now: () => new Date(),
  });
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hil-relay-callback-"));
  kept = 0;
});
afterEach(async () => {
  await server.close();
  spool.close();
  rmSync(folder, { recursive: true });
});

const post = async (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) => {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    method: "POST",
    body: body as string,
    headers: { "content-type": "application/json", connection: "close", ...headers },
  });
  return { status: response.status, body: (await response.json()) as { errcode?: number } };
};

test.each(["/callback", "/api/callback", "/callback?robot_callback_format=json"])(
  "I9: %s keeps a message on disk before its 200",
  async (path) => {
    await open();
    expect(await post(path, MESSAGE)).toEqual({ status: 200, body: { errcode: 0, errmsg: "ok" } });
    expect(spool.size).toBe(1);
    await expect.poll(() => kept).toBe(1);
    expect(spool.after(0, 10)).toMatchObject([{ channelId: "wecom-robot", ackTime: expect.any(Date) }]);
  },
);

test("an address may name one of several channels, and only one that runs", async () => {
  await open();
  expect((await post("/callback/robot-b", MESSAGE)).status).toBe(200);
  await expect.poll(() => spool.after(0, 10)).toMatchObject([{ channelId: "robot-b" }]);
  expect((await post("/callback/robot-c", MESSAGE)).status).toBe(404);
  expect((await post("/callback/__proto__", MESSAGE)).status).toBe(404);
});

test("where a header is set up, it must be right, under its own name or as x-api-key", async () => {
  await open({ name: "X-Robot", value: "hush" });
  expect((await post("/callback", MESSAGE)).status).toBe(401);
  expect((await post("/callback", MESSAGE, { "x-robot": "wrong" })).status).toBe(401);
  expect((await post("/callback", MESSAGE, { "x-robot": "hush" })).status).toBe(200);
  expect((await post("/callback", MESSAGE, { "x-api-key": "hush" })).status).toBe(200);
  expect(spool.size).toBe(2);
});

test("no web page gets a message in, under whatever name it calls", async () => {
  await open();
  expect((await post("/callback", MESSAGE, { origin: `http://127.0.0.1:${server.port}` })).status).toBe(403);
  expect(await raw(`POST /callback HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}`)).toContain(
    " 403 ",
  );
  expect(spool.size).toBe(0);
});

test("what nobody could read is answered and not kept", async () => {
  await open();
  for (const body of ["", "no", "[]", "7", new Uint8Array([0x22, 0xff, 0x22])]) {
    expect(await post("/callback", body)).toMatchObject({ status: 200, body: { errcode: -1 } });
  }
  expect(spool.size).toBe(0);
});

test("no more than 64 KiB of a body are read, whatever its length is said to be", async () => {
  await open();
  const large = JSON.stringify({ text: "x".repeat(64 * 1024) });
  expect(
    await raw(`POST /callback HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${large.length}\r\n\r\n`),
  ).toContain(" 413 ");
  const chunk = `${large.length.toString(16)}\r\n${large}\r\n`;
  expect(
    await raw(`POST /callback HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`),
  ).toContain(" 413 ");
  expect(spool.size).toBe(0);
});

test("F9: where no more may wait, the vendor is asked to send again, and nothing that is in is given up", async () => {
  await open(undefined, 1_000);
  const statuses = [];
  for (let number = 0; number < 6; number++) statuses.push((await post("/callback", MESSAGE)).status);
  expect(statuses.slice(0, 2)).toEqual([200, 200]);
  expect(statuses.at(-1)).toBe(503);
  const accepted = statuses.filter((status) => status === 200).length;
  expect(spool.size).toBe(accepted);
  await expect.poll(() => spool.after(0, 100).length).toBe(accepted);
  await spool.remove(spool.after(0, 100).map(({ seq }) => seq));
  expect((await post("/callback", MESSAGE)).status).toBe(200);
});

test("health is told as the earlier worker told it, and probes have addresses of their own", async () => {
  await open();
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
    return { status: response.status, body: await response.json() };
  };
  expect(await get("/health")).toEqual({ status: 200, body: { status: "healthy", ws_connected: false } });
  expect((await get("/")).body).toMatchObject({ mode: "proxy", ws_connected: false });
  expect(await get("/healthz")).toEqual({ status: 200, body: { status: "alive", service: "relay" } });
  expect(await get("/readyz")).toMatchObject({
    status: 200,
    body: { status: "ready", impaired: ["server"], waiting: 0, reason: "not yet" },
  });
  expect((await get("/other")).status).toBe(404);
});

test("only POST is served where callbacks go", async () => {
  await open();
  expect(await raw("GET /callback HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).toContain(
    " 405 ",
  );
  expect(await raw("garbage\r\n\r\n")).toContain(" 400 ");
});

/** Sends bytes as they are, and returns what came back before the connection ended. */
function raw(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(server.port, "127.0.0.1", () => socket.write(request));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", () => {}); // a server that has answered may reset what comes after
    socket.on("close", () => resolve(text));
    socket.setTimeout(20_000, () => reject(new Error(`the connection did not end: ${text}`)));
  });
}
