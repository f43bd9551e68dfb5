import * as http from "node:http";
import type { AddressInfo } from "node:net";
import type { HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { freePort } from "@hil/testing/servers/free-port.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createVendorProxy, type VendorProxy } from "./vendor-proxy.ts";

interface Heard {
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  body: string;
}

let heard: Heard[];
let decide: (request: HttpRequest, response: HttpResponse) => void;
let callback: http.Server;
let gateway: http.Server | undefined;
let proxy: VendorProxy | undefined;

const listen = (server: http.Server) =>
  new Promise<string>((resolve) => {
    server.listen(0, "127.0.0.1", () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    );
  });

/** A callback service that keeps what it hears and answers as `decide` says once it has read the body. */
beforeEach(() => {
  heard = [];
  decide = (_request, response) => response.end('{"errcode":0,"errmsg":"ok"}');
  callback = http.createServer((request, response) => {
    const one: Heard = { path: request.url ?? "", headers: request.headers, body: "" };
    heard.push(one);
    request.on("data", (chunk: Buffer) => {
      one.body += chunk.toString("utf8");
    });
    request.on("error", () => {});
    request.on("end", () => decide(request, response));
  });
});
afterEach(async () => {
  proxy?.close();
  for (const server of [callback, gateway]) {
    server?.closeAllConnections();
    server?.close();
  }
  gateway = undefined;
});

async function startGateway(callbackUrl: string, authorization?: string): Promise<string> {
  proxy = createVendorProxy({ url: callbackUrl, log: silentLog });
  const caller = authorization === undefined ? {} : { authorization };
  gateway = http.createServer((request, response) => void proxy!.handle(request, response, caller));
  return listen(gateway);
}

const send = (url: string, init: RequestInit = {}) =>
  fetch(`${url}/api/callback`, { method: "POST", body: '{"msgid":"1"}', ...init });

test("I1: what the vendor hears is what the callback service said", async () => {
  const url = await startGateway(await listen(callback));
  const taken = await send(url);
  expect([taken.status, await taken.text()]).toEqual([200, '{"errcode":0,"errmsg":"ok"}']);
  decide = (_request, response) => {
    response.writeHead(503, { "retry-after": "1", "content-type": "application/json" });
    response.end('{"errcode":-1,"errmsg":"not kept"}');
  };
  const refused = await send(url);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await refused.text()).toBe('{"errcode":-1,"errmsg":"not kept"}');
});

test("the request goes on as it came, with the key of its path, and without what is not for the service", async () => {
  const url = await startGateway(await listen(callback), "Bearer of-the-path");
  await send(url, {
    headers: {
      "x-api-key": "vendor",
      cookie: "hil_console=secret",
      "x-forwarded-for": "10.1.1.1",
      "hil-tenant": "t",
    },
  });
  expect(heard[0]).toMatchObject({
    path: "/api/callback",
    body: '{"msgid":"1"}',
    headers: { "x-api-key": "vendor", authorization: "Bearer of-the-path", "hil-tenant": "t" },
  });
  expect(heard[0]?.headers.cookie).toBeUndefined();
  expect(heard[0]?.headers["x-forwarded-for"]).toBeUndefined();
});

test("P2: a replica that is not there is passed over, and the vendor does not notice", async () => {
  const gone = `http://127.0.0.1:${await freePort()}`;
  const url = await startGateway(`${gone},${await listen(callback)},${gone}`);
  const statuses = [];
  for (let n = 0; n < 6; n++) statuses.push((await send(url)).status);
  expect(statuses).toEqual([200, 200, 200, 200, 200, 200]);
  expect(heard.map(({ body }) => body)).toEqual(Array(6).fill('{"msgid":"1"}'));
});

test("P1: without any replica, and where one dies under the call, the vendor is asked to send it again", async () => {
  const nobody = await startGateway(`http://127.0.0.1:${await freePort()}`);
  expect((await send(nobody)).status).toBe(503);
  gateway?.close();
  proxy?.close();
  decide = (request) => request.socket.destroy();
  const dying = await startGateway(await listen(callback));
  const answered = await send(dying);
  expect(answered.status).toBe(503);
  expect(await answered.json()).toMatchObject({ errcode: -1 });
});

test("P3: a body that the service does not want is not read to its end", async () => {
  let answered = false;
  callback.removeAllListeners("request");
  callback.on("request", (_request: HttpRequest, response: HttpResponse) => {
    answered = true;
    response.writeHead(413, { connection: "close" });
    response.end('{"errcode":-1}');
  });
  const url = new URL(await startGateway(await listen(callback)));
  const request = http.request({ host: url.hostname, port: url.port, path: "/callback", method: "POST" });
  const status = new Promise<number | undefined>((resolve, reject) => {
    request.once("response", (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.once("error", reject);
  });
  request.write("x".repeat(1_000)); // and never ends
  expect(await status).toBe(413);
  expect(answered).toBe(true);
  request.destroy();
});

test("a vendor that goes away takes its call with it", async () => {
  let closed = false;
  decide = (request) => request.socket.once("close", () => (closed = true));
  const url = await startGateway(await listen(callback));
  const vendor = new AbortController();
  const sent = send(url, { signal: vendor.signal });
  sent.catch(() => {}); // it was given up
  await vi.waitUntil(() => heard.length === 1);
  vendor.abort();
  await vi.waitUntil(() => closed);
});
