import { subscribe, unsubscribe } from "node:diagnostics_channel";
import * as http from "node:http";
import type { AddressInfo, LookupFunction } from "node:net";
import * as net from "node:net";
import * as tls from "node:tls";
import { request } from "undici";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Log, silentLog } from "../telemetry/log.ts";
import { readEgressConfig } from "./config.ts";
import { createEgressGuard, type EgressGuard, EgressRefusedError } from "./egress-guard.ts";
import { hostileUrls, interfaceAddresses, recordsOf } from "./testing/hostile-addresses.ts";

/** An address of this machine that no hostile form of the corpus means: what the operator opened. */
const GOOD = "127.9.9.9";

/** Whether anything reached a listener inside: on every address of this machine. */
const canary = { port: 0, reached: 0 };
/** Every socket that this process opened, wherever to. */
const opened: unknown[] = [];
const good = { port: 0, location: "", length: 2, hosts: [] as string[] };
const servers: net.Server[] = [];

const onSocket = (message: unknown) => void opened.push(message);

beforeAll(async () => {
  const reach = (socket: net.Socket) => {
    canary.reached += 1;
    socket.destroy();
  };
  const v4 = net.createServer(reach);
  await listen(v4, 0, "0.0.0.0");
  canary.port = (v4.address() as AddressInfo).port;
  await listen(net.createServer(reach), canary.port, "::");
  const server = http.createServer((incoming, response) => {
    good.hosts.push(incoming.headers.host ?? "");
    if (good.location) response.writeHead(302, { location: good.location }).end();
    else response.end("x".repeat(good.length));
  });
  await listen(server, 0, GOOD);
  good.port = (server.address() as AddressInfo).port;
  subscribe("net.client.socket", onSocket);
});

afterAll(() => {
  unsubscribe("net.client.socket", onSocket);
  for (const server of servers) server.close();
});

beforeEach(() => {
  canary.reached = 0;
  opened.length = 0;
  good.location = "";
  good.length = 2;
  good.hosts.length = 0;
});

function listen(server: net.Server, port: number, host: string): Promise<void> {
  servers.push(server);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, ipv6Only: true }, resolve);
  });
}

type Records = { address: string; family: number }[];

/** A name server that a test holds in its hand. */
function answering(records: (name: string) => Records): LookupFunction {
  return (name, _options, callback) => callback(null, records(name));
}

function guardOf({
  records = () => [{ address: GOOD, family: 4 }] as Records,
  environment = {},
  log = silentLog,
}: {
  records?: (name: string) => Records;
  environment?: NodeJS.ProcessEnv;
  log?: Log;
} = {}): EgressGuard {
  const config = readEgressConfig({
    HIL_EGRESS_ALLOW: GOOD,
    HIL_EGRESS_ALLOW_HTTP: "true",
    HIL_EGRESS_PORTS: `${good.port},${canary.port}`,
    ...environment,
  });
  return createEgressGuard({ config, log, lookup: answering(records) });
}

const outcome = (work: Promise<unknown>) =>
  work.then(
    () => "answered",
    (error: unknown) => (error instanceof EgressRefusedError ? "refused" : String(error)),
  );

describe("S2: the corpus of hostile addresses", () => {
  test("has at least 500 different ones", () => {
    expect(new Set(hostileUrls(canary.port)).size).toBeGreaterThanOrEqual(500);
  });

  test("reaches the canary where nothing guards", async () => {
    await request(`http://127.0.0.1:${canary.port}/in`).catch(() => undefined);
    await request(`http://[::1]:${canary.port}/in`).catch(() => undefined);
    const outside = interfaceAddresses().find(
      (address) => net.isIPv4(address) && !address.startsWith("127."),
    );
    if (outside) await request(`http://${outside}:${canary.port}/in`).catch(() => undefined);
    expect(canary.reached).toBe(outside ? 3 : 2);
    expect(opened.length).toBe(canary.reached);
  });

  test("direct: each is refused by check, by fetch and by the dispatcher alone, and no socket is opened", async () => {
    const guard = guardOf({ records: recordsOf });
    for (const url of hostileUrls(canary.port)) {
      expect(await guard.check(url), url).toMatchObject({ why: expect.any(String) });
      expect(await outcome(guard.fetch(url)), url).toBe("refused");
      // A client of another kind reads the address itself; what only its form forbids has become a host then.
      if (!URL.canParse(url) || !/^https?:/.test(new URL(url).protocol)) continue;
      const { origin } = new URL(url);
      expect(await outcome(request(`${origin}/in`, { dispatcher: guard.dispatcher })), url).toBe("refused");
    }
    expect({ reached: canary.reached, opened: opened.length }).toEqual({ reached: 0, opened: 0 });
  });

  test("redirect: an allowed address that leads to each is not followed", async () => {
    const guard = guardOf();
    for (const url of hostileUrls(canary.port)) {
      good.location = encodeURI(url.toWellFormed());
      expect((await guard.fetch(`http://good.example:${good.port}/`)).status, url).toBe(302);
    }
    expect(canary.reached).toBe(0);
  });

  test("rebinding: a name that turns into each after it was checked is refused, and no socket is opened", async () => {
    let records: Records = [];
    const guard = guardOf({ records: () => records });
    const url = `http://rebound.example:${canary.port}/in`;
    for (const hostile of hostileRecords()) {
      records = [{ address: GOOD, family: 4 }];
      expect(await guard.check(url)).toBeUndefined();
      records = [hostile];
      expect(await outcome(guard.fetch(url)), hostile.address).toBe("refused");
    }
    expect({ reached: canary.reached, opened: opened.length }).toEqual({ reached: 0, opened: 0 });
  });

  test("mixed: a name with each among good records is refused, in either order, and no socket is opened", async () => {
    let records: Records = [];
    const guard = guardOf({ records: () => records });
    const url = `http://mixed.example:${canary.port}/in`;
    const fine = { address: GOOD, family: 4 };
    for (const hostile of hostileRecords()) {
      for (const each of [
        [fine, hostile],
        [hostile, fine],
      ]) {
        records = each;
        expect(await guard.check(url), hostile.address).toBeDefined();
        expect(await outcome(guard.fetch(url)), hostile.address).toBe("refused");
      }
    }
    expect({ reached: canary.reached, opened: opened.length }).toEqual({ reached: 0, opened: 0 });
  });
});

/** What a name server can say: every address that a host of the corpus stands for. */
function hostileRecords(): Records {
  const addresses = new Set<string>();
  for (const url of hostileUrls(canary.port)) {
    if (!URL.canParse(url)) continue;
    const host = new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
    if (net.isIP(host)) addresses.add(host);
    else addresses.add(recordsOf(host)[0]!.address);
  }
  for (const zoned of ["fe80::1%lo", "::1%lo"]) addresses.add(zoned);
  expect(addresses.size).toBeGreaterThan(150);
  return [...addresses].map((address) => ({ address, family: net.isIPv4(address) ? 4 : 6 }));
}

describe("what is allowed gets through", () => {
  test("by name: one look-up, its own Host, the whole answer", async () => {
    const asked: string[] = [];
    const guard = guardOf({
      records: (name) => {
        asked.push(name);
        return [{ address: GOOD, family: 4 }];
      },
    });
    const { status, body } = await guard.fetch(`http://good.example:${good.port}/hook?x=1`, {
      method: "POST",
      body: "{}",
    });
    expect([status, body.toString()]).toEqual([200, "xx"]);
    expect(good.hosts).toEqual([`good.example:${good.port}`]);
    expect(asked).toEqual(["good.example"]);
  });

  test("by address, and by the dispatcher alone", async () => {
    const guard = guardOf();
    expect((await guard.fetch(`http://${GOOD}:${good.port}/`)).status).toBe(200);
    const { statusCode, body } = await request(`http://good.example:${good.port}/`, {
      dispatcher: guard.dispatcher,
    });
    expect([statusCode, await body.text()]).toEqual([200, "xx"]);
  });

  test("a connection goes to what was judged, whatever the name means a moment later", async () => {
    let asked = 0;
    const guard = guardOf({
      records: () => [{ address: asked++ === 0 ? GOOD : "127.0.0.1", family: 4 }],
    });
    expect((await guard.fetch(`http://good.example:${good.port}/`)).status).toBe(200);
    expect(asked).toBe(1);
  });

  test("an https server is shown the name, not the address", async () => {
    const names: string[] = [];
    const server = tls.createServer({
      SNICallback: (name, done) => {
        names.push(name);
        done(new Error("this server has no certificate"));
      },
    });
    await listen(server, 0, GOOD);
    const { port } = server.address() as AddressInfo;
    const guard = guardOf({ environment: { HIL_EGRESS_PORTS: String(port) } });
    await expect(guard.fetch(`https://Good.Example:${port}/`)).rejects.toThrow();
    expect(names).toEqual(["good.example"]);
  });

  test("of a long answer, 64 KiB are read", async () => {
    good.length = 1024 * 1024;
    const { body } = await guardOf().fetch(`http://good.example:${good.port}/`);
    expect(body.length).toBe(64 * 1024);
  });

  test.each([
    ["public IPv4", "93.184.216.34"],
    ["public IPv6", "2606:2800:220:1:248:1893:25c8:1946"],
    ["public IPv4 by NAT64", "64:ff9b::5db8:d822"],
    ["public IPv4 in IPv6", "::ffff:93.184.216.34"],
  ])("%s", async (_, address) => {
    const guard = guardOf({ records: () => [{ address, family: net.isIP(address) }] });
    expect(await guard.check("https://good.example/hook")).toBeUndefined();
    expect(await guard.check("https://bücher.example:8443/hook")).toBeUndefined();
    const literal = address.includes(":") ? `[${address}]` : address;
    expect(await guard.check(`https://${literal}/hook`)).toBeUndefined();
  });
});

describe("what the operator decides", () => {
  const PUBLIC: Records = [{ address: "93.184.216.34", family: 4 }];
  const check = (url: string, environment: NodeJS.ProcessEnv, records = PUBLIC) =>
    createEgressGuard({
      config: readEgressConfig(environment),
      log: silentLog,
      lookup: answering(() => records),
      ownAddresses: () => ["10.1.2.3", "93.184.216.99"],
    }).check(url);

  test("http, and with it port 80, only where it is allowed", async () => {
    expect(await check("http://good.example/", {})).toBeDefined();
    expect(await check("http://good.example/", { HIL_EGRESS_ALLOW_HTTP: "true" })).toBeUndefined();
    expect(await check("https://good.example:80/", { HIL_EGRESS_ALLOW_HTTP: "true" })).toBeDefined();
  });

  test("ports: 443 and 8443, and those that are listed", async () => {
    for (const port of [443, 8443]) expect(await check(`https://good.example:${port}/`, {})).toBeUndefined();
    for (const port of [22, 80, 5432, 6379, 8080, 9200]) {
      expect(await check(`https://good.example:${port}/`, {}), String(port)).toBeDefined();
    }
    expect(await check("https://good.example:9443/", { HIL_EGRESS_PORTS: "9443, 9444" })).toBeUndefined();
  });

  test("a private network opens for other machines, not for this one and not for a cloud's credentials", async () => {
    const environment = { HIL_EGRESS_ALLOW: "10.0.0.0/8,169.254.0.0/16,fd00::/8" };
    const at = (address: string) => check(`https://${address}/`, environment);
    expect(await at("10.9.9.9")).toBeUndefined();
    expect(await at("[fd12::9]")).toBeUndefined();
    expect(await at("[::ffff:10.9.9.9]")).toBeUndefined();
    expect(await at("10.1.2.3")).toBeDefined();
    expect(await at("169.254.169.254")).toBeDefined();
    expect(await at("[fd00:ec2::254]")).toBeDefined();
    expect(await at("192.168.0.1")).toBeDefined();
    expect(await at("93.184.216.99")).toBeDefined();
  });

  test("a name opens whatever it resolves to, but no name like it", async () => {
    const inside: Records = [{ address: "10.9.9.9", family: 4 }];
    const environment = { HIL_EGRESS_ALLOW: "Hooks.Corp.Example" };
    expect(await check("https://hooks.corp.example/", environment, inside)).toBeUndefined();
    expect(await check("https://a.hooks.corp.example/", environment, inside)).toBeDefined();
    expect(await check("https://10.9.9.9/", environment, inside)).toBeDefined();
    const credentials: Records = [{ address: "169.254.169.254", family: 4 }];
    expect(await check("https://hooks.corp.example/", environment, credentials)).toBeDefined();
  });

  test.each([
    [{ HIL_EGRESS_ALLOW: "10.1" }, undefined],
    [{ HIL_EGRESS_ALLOW: "https://x" }, /HIL_EGRESS_ALLOW/],
    [{ HIL_EGRESS_ALLOW: "10.0.0.0/33" }, /HIL_EGRESS_ALLOW/],
    [{ HIL_EGRESS_PORTS: "0" }, /HIL_EGRESS_PORTS/],
    [{ HIL_EGRESS_PORTS: "443,x" }, /HIL_EGRESS_PORTS/],
    [{ HIL_EGRESS_ALLOW_HTTP: "yes" }, /HIL_EGRESS_ALLOW_HTTP/],
  ])("%j", (environment, problem) => {
    // "10.1" is a name by its form; it opens no network.
    if (problem) expect(() => readEgressConfig(environment)).toThrow(problem);
    else expect(readEgressConfig(environment).nets).toEqual([]);
  });
});

test("a name that cannot be found is refused like one that is not allowed, and a call says that it is not found", async () => {
  const lookup: LookupFunction = (_name, _options, callback) =>
    callback(Object.assign(new Error("no such name"), { code: "ENOTFOUND" }), []);
  const guard = createEgressGuard({ config: readEgressConfig({}), log: silentLog, lookup });
  expect(await guard.check("https://nowhere.example/")).toBeDefined();
  await expect(guard.fetch("https://nowhere.example/")).rejects.toMatchObject({ code: "ENOTFOUND" });
});

test("I12: the error says nothing of the reason; the log has it, without path and query", async () => {
  const lines: string[] = [];
  const log = { ...silentLog, warn: (...said: unknown[]) => void lines.push(JSON.stringify(said)) };
  const guard = guardOf({ log });
  const url = `http://10.0.0.7:${canary.port}/cgi-bin/send?key=SECRET-OF-THE-ROBOT`;
  const error = await guard.fetch(url).catch((each: unknown) => each as Error);
  expect(String(error)).not.toMatch(/private|10\.0\.0\.7|SECRET/);
  expect(lines.join("")).toContain("private");
  expect(lines.join("")).not.toContain("SECRET-OF-THE-ROBOT");
});
