import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createSecureServer } from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { translateTo } from "@hil/platform/config/locale.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startEmbedded } from "../../cli/embedded.ts";
import { type DeliveryBench, startDelivery } from "../../services/delivery/testing/start-delivery.ts";
import {
  type Authority,
  type Certificate,
  createAuthority,
} from "../../testing/certificates/certificates.ts";
import { startConnectProxy } from "../../testing/http-proxy/connect-proxy.ts";
import { type FakeServer, startFakeServer } from "../testing/fake-server.ts";
import { configOf, startHost, TOKEN } from "../testing/host.ts";
import { check } from "./check.ts";

const DAY_MS = 86_400_000;

let folder: string;
let authority: Authority;
let good: Certificate;
const closers: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hil-relay-check-"));
  authority = await createAuthority(join(folder, "ca"));
  good = await authority.issue();
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** The last line of a check, and all of them. */
async function lookAt(url: string, environment: Record<string, string> = {}) {
  const config = configOf({
    HIL_URL: url,
    HIL_TOKEN: TOKEN,
    BOT_KEY: "robot-key",
    HIL_DATA_DIR: join(folder, "data"),
    ...environment,
  });
  const lines: string[] = [];
  const isGood = await check(config, {
    t: translateTo("en"),
    now: () => new Date(),
    found: ({ step, good, words }) => void lines.push(`${good ? "+" : "-"} ${step}: ${words}`),
  });
  expect(lines.filter((line) => line.startsWith("-"))).toHaveLength(isGood ? 0 : 1);
  return { isGood, last: lines.at(-1)!, steps: lines.map((line) => line.split(":")[0]!.slice(2)) };
}

async function fake(options: Parameters<typeof startFakeServer>[0] = {}): Promise<FakeServer> {
  const server = await startFakeServer(options);
  closers.push(() => server.close());
  // As the real one: the credential first, then the Hello.
  server.admit = ({ token, hello }) => {
    if (token !== TOKEN) return hilError(Code.Unauthenticated, ErrorReason.CREDENTIAL_INVALID, "not known");
    if (hello.protocolVersion < 1)
      return hilError(Code.InvalidArgument, ErrorReason.INVALID_REQUEST, "no version");
    return undefined;
  };
  return server;
}

const secured = (certificate: Certificate, clients?: Authority) =>
  fake({
    credentials: ServerCredentials.createSsl(
      clients?.cert ?? null,
      [{ cert_chain: certificate.cert, private_key: certificate.key }],
      clients !== undefined,
    ),
  });

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return (server.address() as AddressInfo).port;
}

test("a way without an obstacle is gone to its end, and says what it met", async () => {
  const server = await secured(good);
  const found = await lookAt(`https://localhost:${server.port}`, { HIL_CA_FILE: authority.certFile });
  expect(found).toMatchObject({ isGood: true, last: "+ Attach: as plant-2, to HIL fake" });
  expect(found.steps).toEqual(["DNS", "TCP", "TLS", "HTTP/2", "Credential", "Attach"]);
});

test("a relay that runs keeps its stream while another looks at its way", async () => {
  const server = await fake();
  const host = await startHost(`grpc://127.0.0.1:${server.port}`);
  closers.push(async () => host[Symbol.asyncDispose]());
  await expect.poll(() => host.relay.state().attached, { timeout: 20_000 }).toBe(true);
  const { isGood, last } = await lookAt(`grpc://127.0.0.1:${server.port}`, {
    HIL_DATA_DIR: host.config.dataDir,
  });
  expect([isGood, last]).toEqual([
    true,
    "+ Attach: left out: a relay runs here already, and keeps its stream",
  ]);
  expect(server.streams).toHaveLength(1);
  expect(host.relay.state().attached).toBe(true);
});

test("a name that nobody knows", async () => {
  expect((await lookAt("https://relay.invalid")).last).toMatch(
    /^- DNS: (the name relay\.invalid is not known here|the DNS server of this host does not answer)/,
  );
});

test("a port where nothing listens", async () => {
  expect((await lookAt("grpc://127.0.0.1:1")).last).toContain(
    "- TCP: nothing listens at 127.0.0.1:1: check the port",
  );
});

test.each([
  [
    "wants a password, and gets none",
    { credentials: "a:b" },
    "",
    /^- Proxy: the proxy \S+ wants a user name and a password/,
  ],
  [
    "gets a wrong password",
    { credentials: "a:b" },
    "a:hush@",
    /^- Proxy: the proxy \S+ does not take the user name and the password/,
  ],
  [
    "does not let us",
    { refuse: 403 },
    "",
    /^- Proxy: the proxy \S+ does not let connections to hil\.example\.com:443 through/,
  ],
  ["cannot get there", { refuse: 502 }, "", /^- Proxy: the proxy \S+ cannot reach hil\.example\.com:443/],
])("a proxy that %s", async (_, options, userinfo, words) => {
  const proxy = await startConnectProxy(options);
  closers.push(async () => proxy[Symbol.asyncDispose]());
  const { last } = await lookAt("https://hil.example.com", {
    https_proxy: `http://${userinfo}127.0.0.1:${proxy.port}`,
  });
  expect(last).toMatch(words);
  expect(last).not.toContain("hush");
});

test("a proxy that is none", async () => {
  const port = await listen(
    createServer((socket) => {
      socket.on("error", () => {});
      socket.write("220 mail\r\n", () => socket.destroy());
    }),
  );
  const { last } = await lookAt("https://hil.example.com", { https_proxy: `http://127.0.0.1:${port}` });
  expect(last).toMatch(/^- Proxy: what answers at \S+ is no HTTP proxy/);
});

test("an authority that this host does not know, and one that is another", async () => {
  const server = await secured(good);
  const url = `https://localhost:${server.port}`;
  expect((await lookAt(url)).last).toMatch(
    /^- TLS: this host does not know who made the server's certificate .*HIL_CA_FILE/,
  );
  const other = await createAuthority(join(folder, "other"), "other");
  expect((await lookAt(url, { HIL_CA_FILE: other.certFile })).last).toMatch(
    /^- TLS: the server's certificate is not of the authority in HIL_CA_FILE/,
  );
});

test("an expired certificate", async () => {
  const certificate = await authority.issue({
    from: new Date(Date.now() - 9 * DAY_MS),
    until: new Date(Date.now() - DAY_MS),
  });
  const server = await secured(certificate);
  const { last } = await lookAt(`https://localhost:${server.port}`, { HIL_CA_FILE: authority.certFile });
  expect(last).toMatch(/^- TLS: the server's certificate has expired: it was valid until .* GMT/);
});

test("a clock that is behind the certificate", async () => {
  const certificate = await authority.issue({ from: new Date(Date.now() + DAY_MS) });
  const server = await secured(certificate);
  const { last } = await lookAt(`https://localhost:${server.port}`, { HIL_CA_FILE: authority.certFile });
  expect(last).toMatch(/^- TLS: this host's clock is probably wrong: .* valid only from .* GMT on/);
});

test("a clock that a web server's own contradicts", async () => {
  const certificate = await authority.issue({
    from: new Date(Date.now() - 9 * DAY_MS),
    until: new Date(Date.now() - DAY_MS),
  });
  const web = createSecureServer(
    { key: certificate.key, cert: certificate.cert, allowHTTP1: true },
    (_request, response) => {
      response.setHeader("date", new Date(Date.now() - 5 * DAY_MS).toUTCString());
      response.end();
    },
  );
  const port = await listen(web as unknown as Server);
  const { last } = await lookAt(`https://localhost:${port}`, { HIL_CA_FILE: authority.certFile });
  expect(last).toMatch(/^- TLS: this host's clock is wrong: it says /);
});

test("a certificate of another name", async () => {
  const server = await secured(await authority.issue({ names: ["DNS:hil.example.com"] }));
  const { last } = await lookAt(`https://localhost:${server.port}`, { HIL_CA_FILE: authority.certFile });
  expect(last).toContain("- TLS: the server's certificate is for another name than localhost");
});

test("a server that wants a certificate of the relay, and takes it", async () => {
  const server = await secured(good, authority);
  const url = `https://localhost:${server.port}`;
  expect((await lookAt(url, { HIL_CA_FILE: authority.certFile })).last).toContain(
    "set HIL_CERT_FILE and HIL_KEY_FILE",
  );
  const own = await authority.issue({ names: ["DNS:plant-2"] });
  const { isGood } = await lookAt(url, {
    HIL_CA_FILE: authority.certFile,
    HIL_CERT_FILE: own.certFile,
    HIL_KEY_FILE: own.keyFile,
  });
  expect(isGood).toBe(true);
});

test("encryption where there is none, and none where there is", async () => {
  const [plain, encrypted] = [await fake(), await secured(good)];
  expect((await lookAt(`https://localhost:${plain.port}`)).last).toContain(
    `write http://localhost:${plain.port}`,
  );
  expect((await lookAt(`http://localhost:${encrypted.port}`)).last).toContain(
    `write https://localhost:${encrypted.port}`,
  );
});

test("a wrong address: a web server that speaks no HTTP/2", async () => {
  const port = await listen(
    createHttpServer((_request, response) => void response.end("hello")) as unknown as Server,
  );
  expect((await lookAt(`http://127.0.0.1:${port}`)).last).toMatch(
    /^- HTTP\/2: what answers at \S+ does not speak HTTP\/2/,
  );
});

test("a wrong address: a web server that speaks HTTP/2", async () => {
  const web = createSecureServer({ key: good.key, cert: good.cert }, (_request, response) => {
    response.writeHead(404, { "content-type": "text/html" });
    response.end("<html>");
  });
  const port = await listen(web as unknown as Server);
  const { last } = await lookAt(`https://localhost:${port}`, { HIL_CA_FILE: authority.certFile });
  expect(last).toMatch(
    /^- Credential: what answers at localhost:\d+ is not HIL's port for relays \(HTTP 404\): check HIL_URL/,
  );
});

test("an older server, which takes no relays", async () => {
  const old = new GrpcServer();
  const port = await new Promise<number>((resolve, reject) => {
    old.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  closers.push(() => old.forceShutdown());
  expect((await lookAt(`http://127.0.0.1:${port}`)).last).toMatch(
    /^- Credential: the server at \S+ takes no relays: it is an older HIL, or another of its ports/,
  );
});

describe("the delivery service as it is", () => {
  let bench: DeliveryBench;
  let aheadMs = 0;
  const withCertificate = ({ certFile, keyFile }: Certificate) => ({
    HIL_TOKEN: bench.access.relayKey("plant-2"),
    HIL_CA_FILE: authority.certFile,
    HIL_CERT_FILE: certFile,
    HIL_KEY_FILE: keyFile,
  });
  const lookAtBench = (environment: Record<string, string>) =>
    lookAt(`https://localhost:${bench.relayPort}`, environment);
  let own: Certificate;

  beforeAll(async () => {
    own = await authority.issue({ names: ["DNS:plant-2"], subject: "plant-2" });
    bench = await startDelivery({
      now: () => new Date(Date.now() + aheadMs),
      environment: {
        BOT_KEY: "",
        HIL_MODE: "relay",
        HIL_RELAY_PORT: "0",
        HIL_RELAY_TLS_CERT_FILE: good.certFile,
        HIL_RELAY_TLS_KEY_FILE: good.keyFile,
        HIL_RELAY_TLS_CLIENT_CA_FILE: authority.certFile,
      },
    });
  });
  afterAll(() => bench.close());

  test("takes a relay whose certificate has the name of its credential", async () => {
    const { isGood, last } = await lookAtBench(withCertificate(own));
    expect([isGood, last]).toEqual([true, expect.stringMatching(/^\+ Attach: as plant-2, to HIL \d/)]);
  });

  test("takes no certificate of another name", async () => {
    const other = await authority.issue({ names: ["DNS:plant-3"], subject: "plant-3" });
    expect((await lookAtBench(withCertificate(other))).last).toMatch(
      /^- Credential: the certificate of HIL_CERT_FILE is not of plant-2, the relay that HIL_TOKEN is of/,
    );
  });

  test("takes no wrong token", async () => {
    expect((await lookAtBench({ ...withCertificate(own), HIL_TOKEN: "hil_relay_wrong" })).last).toMatch(
      /^- Credential: the server does not know the credential of HIL_TOKEN: .*hil relay create NAME/,
    );
  });

  test("says its time, from which a clock may differ", async () => {
    aheadMs = 3_600_000;
    try {
      expect((await lookAtBench(withCertificate(own))).last).toMatch(
        /^- Attach: this host's clock is wrong: it says /,
      );
    } finally {
      aheadMs = 0;
    }
  });

  test("shows a certificate that has expired", async () => {
    const expired = await authority.issue({
      from: new Date(Date.now() - 9 * DAY_MS),
      until: new Date(Date.now() - DAY_MS),
    });
    await bench.restart({
      HIL_RELAY_TLS_CERT_FILE: expired.certFile,
      HIL_RELAY_TLS_KEY_FILE: expired.keyFile,
    });
    expect((await lookAtBench(withCertificate(own))).last).toMatch(
      /^- TLS: the server's certificate has expired: it was valid until .* GMT/,
    );
  });
});

test("HIL's port for everybody else, which is all that one without relays has", async () => {
  const hil = await startEmbedded({
    environment: { HIL_DATA_DIR: join(folder, "hil"), HIL_PORT: "0", HIL_LOG_LEVEL: "silent" },
  });
  closers.push(() => hil.close());
  expect((await lookAt(`http://127.0.0.1:${hil.port}`)).last).toMatch(
    /^- Credential: what answers at \S+ is not HIL's port for relays \(HTTP 401\): check HIL_URL/,
  );
});

test("a relay that is too old for the server", async () => {
  const server = await fake();
  const { admit } = server;
  server.admit = (stream) =>
    admit(stream) ?? hilError(Code.FailedPrecondition, ErrorReason.RELAY_VERSION_UNSUPPORTED, "too old");
  expect((await lookAt(`http://127.0.0.1:${server.port}`)).last).toMatch(
    /^- Attach: this relay \(.*\) is too old for the server/,
  );
});
