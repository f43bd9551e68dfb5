// The ways out of an intranet, with the programs that stand in them.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServerCredentials } from "@grpc/grpc-js";
import { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Authority, type Certificate, createAuthority } from "../testing/certificates/certificates.ts";
import { startConnectProxy } from "../testing/http-proxy/connect-proxy.ts";
import { startNginx } from "../testing/nginx/nginx.ts";
import { freePort } from "../testing/servers/free-port.ts";
import { type FakeServer, startFakeServer } from "./testing/fake-server.ts";
import { type Host, startHost } from "./testing/host.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };
/** This machine, under an address that no rule of proxies takes for it. */
const ANY = "0.0.0.0";

let folder: string;
let authority: Authority;
let certificate: Certificate;
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hil-relay-ways-"));
  authority = await createAuthority(folder);
  certificate = await authority.issue({ names: ["DNS:localhost", "IP:127.0.0.1", `IP:${ANY}`] });
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function serve(credentials?: ServerCredentials): Promise<FakeServer> {
  const server = await startFakeServer(credentials ? { credentials } : {});
  closers.push(() => server.close());
  return server;
}

async function relayTo(url: string, environment: Record<string, string> = {}): Promise<Host> {
  const host = await startHost(url, environment);
  closers.push(async () => host[Symbol.asyncDispose]());
  return host;
}

const encrypted = (clients?: Authority) =>
  ServerCredentials.createSsl(
    clients?.cert ?? null,
    [{ cert_chain: certificate.cert, private_key: certificate.key }],
    clients !== undefined,
  );

/** A message each way. */
async function bothWays(server: FakeServer, host: Host): Promise<void> {
  await expect.poll(() => server.streams.some(({ isOpen }) => isOpen), PATIENCE).toBe(true);
  const stream = server.streams.findLast(({ isOpen }) => isOpen)!;
  const [results, inbounds] = [server.results.length, server.inbounds.length];
  stream.send({
    commandId: `command-${results}`,
    channelId: "wecom-robot",
    chatId: "chat-1",
    chatType: ChatType.GROUP,
    message: { case: "text", value: { text: "question" } },
  });
  await expect.poll(() => server.results.length, PATIENCE).toBe(results + 1);
  expect((await host.wecom.person.reply({ chatid: "chat-1", text: "yes" })).taken).toBe(true);
  await expect.poll(() => server.inbounds.length, PATIENCE).toBe(inbounds + 1);
}

test("TLS with an authority of one's own", async () => {
  const server = await serve(encrypted());
  const host = await relayTo(`https://localhost:${server.port}`, { HIL_CA_FILE: authority.certFile });
  await bothWays(server, host);
});

test("TLS with a certificate of the relay", async () => {
  const server = await serve(encrypted(authority));
  const own = await authority.issue({ names: ["DNS:plant-2"], subject: "plant-2" });
  const host = await relayTo(`https://localhost:${server.port}`, {
    HIL_CA_FILE: authority.certFile,
    HIL_CERT_FILE: own.certFile,
    HIL_KEY_FILE: own.keyFile,
  });
  await bothWays(server, host);
});

test.each([
  ["plain", undefined, "http"],
  ["encrypted", true, "https"],
])("a proxy with a password, %s", async (_, isEncrypted, scheme) => {
  const server = await serve(isEncrypted ? encrypted() : undefined);
  const proxy = await startConnectProxy({ credentials: "anna:p@ss:word" });
  closers.push(async () => proxy[Symbol.asyncDispose]());
  const host = await relayTo(`${scheme}://${ANY}:${server.port}`, {
    https_proxy: `http://anna:p%40ss%3Aword@127.0.0.1:${proxy.port}`,
    http_proxy: `http://anna:p%40ss%3Aword@127.0.0.1:${proxy.port}`,
    ...(isEncrypted ? { HIL_CA_FILE: authority.certFile } : {}),
  });
  await bothWays(server, host);
  expect(proxy.targets).toContain(`${ANY}:${server.port}`);
  expect(proxy.connections).toBeGreaterThan(0);
});

test("a proxy that is named for others is not asked where no_proxy names the server", async () => {
  const server = await serve();
  const proxy = await startConnectProxy();
  closers.push(async () => proxy[Symbol.asyncDispose]());
  const host = await relayTo(`http://${ANY}:${server.port}`, {
    http_proxy: `http://127.0.0.1:${proxy.port}`,
    no_proxy: `internal,${ANY}`,
  });
  await bothWays(server, host);
  expect([proxy.targets, proxy.connections]).toEqual([[], 0]);
});

test("nginx with TLS in front, as the example sets it up, and again after a reload of it", async () => {
  const server = await serve();
  const port = await freePort();
  const site = readFileSync(join(import.meta.dirname, "nginx", "hil-relay.conf"), "utf8")
    .replace("listen 443 ssl http2", `listen 127.0.0.1:${port} ssl http2`)
    .replace("127.0.0.1:8082", `127.0.0.1:${server.port}`)
    .replace("hil.example.com;", "localhost;")
    .replace("/etc/ssl/hil.example.com.pem", certificate.certFile)
    .replace("/etc/ssl/hil.example.com.key", certificate.keyFile);
  const nginx = await startNginx({ site, port });
  closers.push(async () => nginx[Symbol.asyncDispose]());
  const host = await relayTo(`https://localhost:${port}`, { HIL_CA_FILE: authority.certFile });
  await bothWays(server, host);
  expect(server.streams).toHaveLength(1);
  nginx.reload();
  await bothWays(server, host);
});
