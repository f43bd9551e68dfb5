// A fake of WeCom's group robots, as their documents and their users say they behave.
//
// V1. Failures come as HTTP 200 with errcode != 0.
// V2. A call-back robot that is given no chatid writes to all its groups. The fake keeps these in `broadcasts`:
//     a test that finds one there has found the worst bug there is.
// V3. `messages` are what people see: everything accepted, also where the answer was lost on its way.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createPerson, type Person } from "./person.ts";
import {
  judge,
  OK,
  type Payload,
  type Product,
  readPayload,
  TOO_FREQUENT,
  WRONG_KEY,
} from "./vendor-rules.ts";

const MINUTE_MS = 60_000;
const MOST_BODY_BYTES = 4 * 1024 * 1024;

/** A message that people see. */
export interface ShownMessage extends Payload {
  /** Counts from 1. */
  readonly number: number;
  readonly time: Date;
}

/** One call of the robot's address. */
export interface Call {
  /** Counts from 1. */
  readonly number: number;
  readonly payload: Payload;
  readonly body: string;
}

/**
 * What the fake does to a call instead of what the vendor would. `shown`: people see the message all the same;
 * default: they do not.
 *
 *   errcode - HTTP 200 with that code.
 *   http    - another status.
 *   hang    - no answer, ever.
 *   cut     - the connection breaks.
 *   half    - half of the JSON that says ok.
 */
export type Fault = { readonly shown?: boolean } & (
  | { readonly kind: "errcode"; readonly errcode: number; readonly errmsg?: string }
  | { readonly kind: "http"; readonly status: number; readonly headers?: Record<string, string> }
  | { readonly kind: "hang" | "cut" | "half" }
);

/** A fault for a call, or undefined for what the vendor would do. A promise keeps the call waiting. */
export type Decide = (call: Call) => Fault | undefined | Promise<Fault | undefined>;

export interface FakeWecomOptions {
  /** Where it listens. Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: any free port. */
  readonly port?: number;
  /** The one key that is right. */
  readonly key: string;
  /** Default: callback. */
  readonly product?: Product;
  /** Messages a minute, for each chat of a call-back robot or for the whole public one. 0: no limit. Default: the vendor's. */
  readonly perMinute?: number;
  /** Decides about calls. Default: what the vendor would do. */
  readonly decide?: Decide;
  /** Where callbacks go; `callbackUrl` can be set later too. */
  readonly callbackUrl?: string;
  /** A header that goes with each callback: [name, value]. */
  readonly callbackHeader?: readonly [string, string];
  /** How long an answer to a callback may take. Default: 5 s. */
  readonly callbackTimeoutMs?: number;
  /** The pause before a callback is repeated. Default: 1 s. */
  readonly callbackRetryMs?: number;
  /** Default: Robot. */
  readonly robotName?: string;
  /** Called with each message that people see. */
  readonly onMessage?: (message: ShownMessage) => void;
  readonly now?: () => Date;
}

export interface FakeWecom extends AsyncDisposable {
  /** For WECOM_API_URL. */
  readonly url: string;
  readonly port: number;
  /** What people see, oldest first. */
  readonly messages: readonly ShownMessage[];
  /** Messages that went to all groups because no chat was named (V2). */
  readonly broadcasts: readonly ShownMessage[];
  /** All calls, also refused ones. */
  readonly calls: readonly Call[];
  /** How often two identical bodies were under way at once, which the vendor forbids. */
  readonly identicalAtOnce: number;
  callbackUrl: string | undefined;
  /** The people of the chats. */
  readonly person: Person;
  /** Replaces what was decided before. */
  decide(decide: Decide): void;
  /** The first message, of those seen and those to come, for which `matches` holds. Rejects after `timeoutMs` (10 s). */
  waitForMessage(matches?: (message: ShownMessage) => boolean, timeoutMs?: number): Promise<ShownMessage>;
  close(): Promise<void>;
}

export async function startFakeWecom(options: FakeWecomOptions): Promise<FakeWecom> {
  const { key, product = "callback", now = () => new Date() } = options;
  const perMinute = options.perMinute ?? (product === "public" ? 20 : 100);
  const messages: ShownMessage[] = [];
  const broadcasts: ShownMessage[] = [];
  const calls: Call[] = [];
  const bodiesUnderWay = new Set<string>();
  const taken = new Map<string, number[]>();
  const watchers = new Set<() => void>();
  let identicalAtOnce = 0;
  let decide: Decide = options.decide ?? (() => undefined);
  let callbackUrl = options.callbackUrl;

  const show = (payload: Payload) => {
    const message = { ...payload, number: messages.length + 1, time: now() };
    messages.push(message);
    if (product === "callback" && isBroadcast(payload.chatId)) broadcasts.push(message);
    options.onMessage?.(message);
    for (const watcher of watchers) watcher();
  };
  const overRate = (chatId: string): boolean => {
    if (perMinute === 0) return false;
    const name = product === "public" ? "" : chatId;
    const time = now().getTime();
    const recent = (taken.get(name) ?? []).filter((each) => each > time - MINUTE_MS);
    taken.set(name, recent);
    if (recent.length >= perMinute) return true;
    recent.push(time);
    return false;
  };
  const vendorSays = (payload: Payload | undefined) => {
    if (!payload) return { errcode: 40058, errmsg: "invalid json" };
    const said = judge(payload);
    if (said.errcode !== 0) return said;
    return overRate(payload.chatId) ? TOO_FREQUENT : OK;
  };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://vendor");
    if (request.method !== "POST" || pathname !== "/cgi-bin/webhook/send") {
      response.writeHead(404).end();
      return;
    }
    const body = await readBody(request);
    if (searchParams.get("key") !== key) {
      sendJson(response, WRONG_KEY);
      return;
    }
    if (bodiesUnderWay.has(body)) identicalAtOnce += 1;
    bodiesUnderWay.add(body);
    response.once("close", () => bodiesUnderWay.delete(body));

    const payload = readPayload(body);
    const call = { number: calls.length + 1, payload: payload ?? NOTHING, body };
    calls.push(call);
    const fault = await decide(call);
    if (!fault) {
      const said = vendorSays(payload);
      if (said.errcode === 0) show(payload!);
      sendJson(response, said);
      return;
    }
    if (fault.shown && payload) show(payload);
    fail(response, fault);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, options.host ?? "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    messages,
    broadcasts,
    calls,
    get identicalAtOnce() {
      return identicalAtOnce;
    },
    get callbackUrl() {
      return callbackUrl;
    },
    set callbackUrl(url) {
      callbackUrl = url;
    },
    person: createPerson({
      callbackUrl: () => callbackUrl,
      header: options.callbackHeader,
      timeoutMs: options.callbackTimeoutMs ?? 5_000,
      retryMs: options.callbackRetryMs ?? 1_000,
      robotName: options.robotName ?? "Robot",
    }),
    decide(next) {
      decide = next;
    },
    waitForMessage: (matches = () => true, timeoutMs = 10_000) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = messages.find(matches);
          if (!found) return;
          clearTimeout(patience);
          watchers.delete(look);
          resolve(found);
        };
        const patience = setTimeout(() => {
          watchers.delete(look);
          const seen = messages.map(({ text }) => JSON.stringify(text.slice(0, 80))).join(", ");
          reject(new Error(`no such message came within ${timeoutMs} ms; seen: ${seen || "none"}`));
        }, timeoutMs);
        watchers.add(look);
        look();
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const NOTHING: Payload = { chatId: "", msgtype: "", text: "", mentions: [], image: undefined };

function isBroadcast(chatId: string): boolean {
  return chatId === "" || chatId.startsWith("@all");
}

function fail(response: ServerResponse, fault: Fault): void {
  switch (fault.kind) {
    case "errcode":
      sendJson(response, { errcode: fault.errcode, errmsg: fault.errmsg ?? "scripted" });
      return;
    case "http":
      response.writeHead(fault.status, fault.headers).end("scripted");
      return;
    case "hang":
      return;
    case "cut":
      response.destroy();
      return;
    case "half":
      response.writeHead(200, { "content-type": "application/json" }).end('{"errcode":0,"er');
      return;
  }
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { "content-type": "application/json; charset=UTF-8" }).end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BODY_BYTES) throw new Error("the body is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
