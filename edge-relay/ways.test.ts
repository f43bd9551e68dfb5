// The ways out of an intranet, with the programs that stand in them, to the delivery service as it is.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Delivery_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type DeliveryBench, order, startDelivery } from "../services/delivery/testing/start-delivery.ts";
import { type Authority, type Certificate, createAuthority } from "../testing/certificates/certificates.ts";
import { startConnectProxy } from "../testing/http-proxy/connect-proxy.ts";
import { startNginx } from "../testing/nginx/nginx.ts";
import { freePort } from "../testing/servers/free-port.ts";
import { type Host, startHost } from "./testing/host.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };
/** This machine, under an address that no rule of proxies takes for it. */
const ANY = "0.0.0.0";
const NAME = "plant-2";

/** What HIL's own port asks for. */
type Listener = "plain" | "encrypted" | "mutual";

let folder: string;
let authority: Authority;
let certificate: Certificate;
const benches = new Map<Listener, Promise<DeliveryBench>>();
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hil-relay-ways-"));
  authority = await createAuthority(folder);
  certificate = await authority.issue({ names: ["DNS:localhost", "IP:127.0.0.1", `IP:${ANY}`] });
});
afterAll(async () => {
  for (const bench of benches.values()) await (await bench).close();
  rmSync(folder, { recursive: true });
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** The delivery service with such a port, the same for all tests. */
function serve(listener: Listener): Promise<DeliveryBench> {
  const found =
    benches.get(listener) ??
    startDelivery({
      environment: {
        BOT_KEY: "",
        HIL_MODE: "relay",
        HIL_RELAY_PORT: "0",
        ...(listener !== "plain" && {
          HIL_RELAY_TLS_CERT_FILE: certificate.certFile,
          HIL_RELAY_TLS_KEY_FILE: certificate.keyFile,
        }),
        ...(listener === "mutual" && { HIL_RELAY_TLS_CLIENT_CA_FILE: authority.certFile }),
      },
    });
  benches.set(listener, found);
  return found;
}

async function relayTo(
  { access }: DeliveryBench,
  url: string,
  environment: Record<string, string> = {},
): Promise<Host> {
  const host = await startHost(url, { HIL_TOKEN: access.relayKey(NAME), ...environment });
  closers.push(async () => host[Symbol.asyncDispose]());
  return host;
}

const filesOf = ({ certFile, keyFile }: Certificate) => ({
  HIL_CA_FILE: authority.certFile,
  HIL_CERT_FILE: certFile,
  HIL_KEY_FILE: keyFile,
});

/** A question that is shown, and what a person writes to it. */
async function bothWays({ delivery, callbacks }: DeliveryBench, host: Host): Promise<void> {
  const given = order({}, { chatId: "chat-1" });
  const text = given.session.body;
  await delivery.deliver({ orders: [given] });
  await host.wecom.waitForMessage((message) => message.text.includes(text), PATIENCE.timeout);
  const stateOf = async () => (await delivery.getDelivery({ deliveryId: given.deliveryId })).delivery!.state;
  await expect.poll(stateOf, PATIENCE).toBe(Delivery_State.SENT);
  const { taken, msgid } = await host.wecom.person.reply({ chatid: "chat-1", text: "yes" });
  expect(taken).toBe(true);
  const inbox = () => callbacks.taken.map(({ body }) => JSON.parse(Buffer.from(body).toString()).msgid);
  await expect.poll(inbox, PATIENCE).toContain(msgid);
}

const relaysOf = async ({ delivery }: DeliveryBench) => (await delivery.listRelays({})).relays;

test("TLS with an authority of one's own", async () => {
  const bench = await serve("encrypted");
  const url = `https://localhost:${bench.relayPort}`;
  const host = await relayTo(bench, url, { HIL_CA_FILE: authority.certFile });
  await bothWays(bench, host);
});

test.each([
  ["as a DNS name", { names: [`DNS:${NAME}`], subject: "host-7" }],
  ["as its common name", { names: ["DNS:host-7"], subject: NAME }],
])("mTLS: a certificate that has the relay's name %s", async (_, names) => {
  const bench = await serve("mutual");
  const own = await authority.issue(names);
  const host = await relayTo(bench, `https://localhost:${bench.relayPort}`, filesOf(own));
  await bothWays(bench, host);
});

test("mTLS: a relay whose certificate is of another name is refused, says so and stops", async () => {
  const bench = await serve("mutual");
  const other = await authority.issue({ names: ["DNS:plant-3"], subject: "plant-3" });
  const host = await relayTo(bench, `https://localhost:${bench.relayPort}`, {
    ...filesOf(other),
    HIL_TOKEN: bench.access.relayKey("plant-4"),
  });
  expect(await host.relay.stopped).toMatchObject({
    kind: "refused",
    reason: expect.stringMatching(
      /the credential is of the relay "plant-4", and the certificate is of another/,
    ),
  });
  expect((await relaysOf(bench)).map(({ name }) => name)).not.toContain("plant-4");
});

test("mTLS: a relay without a certificate, or with one of another authority, does not get in", async () => {
  const bench = await serve("mutual");
  const url = `https://localhost:${bench.relayPort}`;
  const others = await createAuthority(join(folder, "others"), "others");
  const foreign = await others.issue({ names: ["DNS:plant-5"], subject: "plant-5" });
  for (const files of [{ HIL_CA_FILE: authority.certFile }, filesOf(foreign)]) {
    const host = await relayTo(bench, url, { ...files, HIL_TOKEN: bench.access.relayKey("plant-5") });
    await expect.poll(() => host.relay.state().reason, PATIENCE).toBeDefined();
    expect(host.relay.state().attached).toBe(false);
  }
  expect((await relaysOf(bench)).map(({ name }) => name)).not.toContain("plant-5");
});

test.each([
  ["plain", "plain", "http"],
  ["encrypted", "encrypted", "https"],
] as const)("a proxy with a password, %s", async (_, listener, scheme) => {
  const bench = await serve(listener);
  const proxy = await startConnectProxy({ credentials: "anna:p@ss:word" });
  closers.push(async () => proxy[Symbol.asyncDispose]());
  const host = await relayTo(bench, `${scheme}://${ANY}:${bench.relayPort}`, {
    https_proxy: `http://anna:p%40ss%3Aword@127.0.0.1:${proxy.port}`,
    http_proxy: `http://anna:p%40ss%3Aword@127.0.0.1:${proxy.port}`,
    ...(listener === "encrypted" ? { HIL_CA_FILE: authority.certFile } : {}),
  });
  await bothWays(bench, host);
  expect(proxy.targets).toContain(`${ANY}:${bench.relayPort}`);
  expect(proxy.connections).toBeGreaterThan(0);
});

test("a proxy that is named for others is not asked where no_proxy names the server", async () => {
  const bench = await serve("plain");
  const proxy = await startConnectProxy();
  closers.push(async () => proxy[Symbol.asyncDispose]());
  const host = await relayTo(bench, `http://${ANY}:${bench.relayPort}`, {
    http_proxy: `http://127.0.0.1:${proxy.port}`,
    no_proxy: `internal,${ANY}`,
  });
  await bothWays(bench, host);
  expect([proxy.targets, proxy.connections]).toEqual([[], 0]);
});

test("nginx with TLS in front, as the example sets it up, and again after a reload of it", async () => {
  const bench = await serve("plain");
  const port = await freePort();
  const site = readFileSync(join(import.meta.dirname, "nginx", "hil-relay.conf"), "utf8")
    .replace("listen 443 ssl http2", `listen 127.0.0.1:${port} ssl http2`)
    .replace("127.0.0.1:8082", `127.0.0.1:${bench.relayPort}`)
    .replace("hil.example.com;", "localhost;")
    .replace("/etc/ssl/hil.example.com.pem", certificate.certFile)
    .replace("/etc/ssl/hil.example.com.key", certificate.keyFile);
  const nginx = await startNginx({ site, port });
  closers.push(async () => nginx[Symbol.asyncDispose]());
  const host = await relayTo(bench, `https://localhost:${port}`, {
    HIL_CA_FILE: authority.certFile,
    HIL_TOKEN: bench.access.relayKey("behind-nginx"),
  });
  await bothWays(bench, host);
  const relay = async () => (await relaysOf(bench)).find(({ name }) => name === "behind-nginx")!;
  expect((await relay()).epoch).toBe(1n);
  nginx.reload();
  await bothWays(bench, host);
});
