import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { Code } from "@connectrpc/connect";
import { decodeWecomRobot } from "@hil/channels/wecom-robot/inbound.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { credentialInvalid } from "@hil/platform/auth/authenticator.ts";
import { bearerOf } from "@hil/platform/auth/credential-headers.ts";
import { DEFAULT_TENANT, type Principal } from "@hil/platform/auth/principal.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import { storageUnavailable } from "@hil/platform/storage/storage-unavailable.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { describe, expect, test, vi } from "vitest";
import { DEPLOYMENT_ROBOT, type InboundChannels } from "./channels.ts";
import { createVendorHttp } from "./http.ts";
import type { Ingest, IngestOutcome } from "./ingest.ts";
import { admitVendor, type VendorAuthSettings } from "./vendor-auth.ts";

const owner: Principal = { kind: "owner", id: "owner", tenantId: DEFAULT_TENANT, roles: [Role.OWNER] };
const key = (role: Role, tenantId: string, scopes?: string[]): Principal => ({
  kind: "api-key",
  id: "key:k",
  tenantId,
  roles: [role],
  ...(scopes && { scopes }),
});
const agent = key(Role.AGENT, DEFAULT_TENANT);
const PRINCIPALS: Record<string, Principal> = {
  "owner-key": owner,
  "agent-key": agent,
  "t1-robot": key(Role.OPERATOR, "t1", ["inbound.write"]),
  "t1-administrator-robot": key(Role.ADMINISTRATOR, "t1", ["inbound.*"]),
  "t1-administrator": key(Role.ADMINISTRATOR, "t1"),
  "t1-operator": key(Role.OPERATOR, "t1"),
  "t1-reader": key(Role.OPERATOR, "t1", ["inbound.read"]),
  "t1-agent": key(Role.AGENT, "t1", ["inbound.write"]),
  "t2-robot": key(Role.OPERATOR, "t2", ["inbound.write"]),
};
const authenticate: Authenticate = async (headers) => {
  const shown = bearerOf(headers) ?? "";
  if (shown === "suspended") {
    throw hilError(Code.PermissionDenied, ErrorReason.TENANT_SUSPENDED, "the tenant is suspended");
  }
  if (shown === "unreachable") throw hilError(Code.Unavailable, ErrorReason.NOT_READY, "not ready");
  if (PRINCIPALS[shown]) return PRINCIPALS[shown];
  throw credentialInvalid("this key is not known");
};
/** The robot of the deployment, and one of the tenant t1's own. */
const channels: InboundChannels = {
  async find(tenantId, id) {
    const isKnown = id === DEPLOYMENT_ROBOT || (id === "team-robot" && tenantId === "t1");
    return isKnown ? { id, tenantId, decode: decodeWecomRobot } : undefined;
  },
};
const open: VendorAuthSettings = { authHeader: undefined, allowKeyless: true };
const kept = (acknowledge = () => {}): IngestOutcome => ({
  kind: "kept",
  inboundId: "i1",
  duplicate: false,
  acknowledge,
});

/** The vendor's address on a real port, with an inbox that the test decides about. */
async function startFace(ingest: Ingest, settings: Partial<VendorAuthSettings> = {}, principal?: Principal) {
  const face = createVendorHttp({
    ingest,
    channels,
    authenticate,
    settings: { ...open, ...settings },
    log: silentLog,
  });
  const server = createServer(
    (request, response) => void face.handle(request, response, principal ? { principal } : {}),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
  return {
    face,
    url,
    post: (body: string, headers: Record<string, string> = {}, channel = "") =>
      fetch(url + channel, { method: "POST", body, headers }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("only the documented addresses are the vendor's", () => {
  const { matches } = createVendorHttp({
    ingest: async () => kept(),
    channels,
    authenticate,
    settings: open,
    log: silentLog,
  });
  const served = ["/callback", "/api/callback", "/callback/team-robot", "/api/callback/r2"];
  expect(served.map(matches)).toEqual([true, true, true, true]);
  const others = [
    "/",
    "/callback/",
    "/callbacks",
    "/CALLBACK",
    "/callback/x/y",
    "/callback/..",
    "/callback/X",
  ];
  expect(others.map(matches)).not.toContain(true);
});

describe("an answer", () => {
  test("says yes only after the message is on disk (R1)", async () => {
    const order: string[] = [];
    let commit = () => {};
    const committed = new Promise<void>((resolve) => {
      commit = resolve;
    });
    let reached = () => {};
    const called = new Promise<void>((resolve) => {
      reached = resolve;
    });
    await using server = await startFace(async () => {
      reached();
      await committed;
      order.push("on disk");
      return kept();
    });
    const answered = server.post("{}").then(async (response) => {
      order.push("answered");
      return response.json();
    });
    await called;
    expect(order).toEqual([]);
    commit();
    expect(await answered).toEqual({ errcode: 0, errmsg: "ok" });
    expect(order).toEqual(["on disk", "answered"]);
  });

  test("that was written out is noted, once", async () => {
    const acknowledge = vi.fn();
    await using server = await startFace(async () => kept(acknowledge));
    await (await server.post("{}")).json();
    await vi.waitFor(() => expect(acknowledge).toHaveBeenCalledOnce());
  });

  test("that nobody was there to read is not noted", async () => {
    const acknowledge = vi.fn();
    let gone = () => {};
    const left = new Promise<void>((resolve) => {
      gone = resolve;
    });
    const done = vi.fn();
    const face = createVendorHttp({
      ingest: async () => {
        request.destroy();
        await left;
        return kept(acknowledge);
      },
      channels,
      authenticate,
      settings: open,
      log: silentLog,
    });
    const server = createServer((incoming, response) => {
      response.on("close", gone);
      face.handle(incoming, response).then(done);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const request = httpRequest({ port: (server.address() as AddressInfo).port, method: "POST" });
    request.on("error", () => {}); // it hangs up on purpose
    request.end("{}");
    await vi.waitFor(() => expect(done).toHaveBeenCalled());
    await new Promise((resolve) => server.close(resolve));
    expect(acknowledge).not.toHaveBeenCalled();
  });

  test("to what cannot be read is 200 with errcode -1", async () => {
    await using server = await startFace(async () => ({ kind: "refused", reason: "no JSON" }));
    const response = await server.post("{");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ errcode: -1, errmsg: "no JSON" });
  });

  test("is 503 where the disk does not take the message, so that the vendor repeats it (I1)", async () => {
    await using server = await startFace(async () => {
      throw storageUnavailable("the database is locked");
    });
    const response = await server.post("{}");
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ errcode: -1 });
  });

  test("is 503 where the commit takes too long", async () => {
    await using server = await startFace(() => new Promise(() => {}));
    expect((await server.post("{}")).status).toBe(503);
  });

  test("is 405 to anything but POST", async () => {
    await using server = await startFace(async () => kept());
    const response = await fetch(server.url);
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
  });
});

describe("a body of more than 64 KiB", () => {
  const large = "x".repeat(64 * 1024 + 1);

  test("is 413 by its declared length and reaches nobody", async () => {
    const ingest = vi.fn(async () => kept());
    await using server = await startFace(ingest);
    expect((await server.post(large)).status).toBe(413);
    expect((await server.post(large.slice(1))).status).toBe(200);
    expect(ingest).toHaveBeenCalledOnce();
  });

  test("is 413 without a declared length", async () => {
    await using server = await startFace(async () => kept());
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(server.url, { method: "POST" }, (response) => resolve(response.statusCode));
      request.on("error", reject);
      request.flushHeaders(); // chunked from here on
      request.write(large);
    });
    expect(status).toBe(413);
  });
});

describe("who is admitted", () => {
  const authHeader = { name: "X-Robot-Token", value: "s3cret" };
  const basic = `Basic ${Buffer.from("key:owner-key").toString("base64")}`;

  test.each<[string, Partial<VendorAuthSettings>, Record<string, string>, Principal | undefined, boolean]>([
    ["the right header", { authHeader }, { "x-robot-token": "s3cret" }, undefined, true],
    ["the right value in x-api-key", { authHeader }, { "x-api-key": "s3cret" }, undefined, true],
    ["a wrong value", { authHeader }, { "x-robot-token": "s3cres" }, undefined, false],
    ["an empty value", { authHeader }, { "x-robot-token": "" }, undefined, false],
    ["no header", { authHeader }, {}, undefined, false],
    ["the value in another header", { authHeader }, { "x-other": "s3cret" }, undefined, false],
    [
      "an owner's key instead of the header",
      { authHeader },
      { authorization: "Bearer owner-key" },
      undefined,
      false,
    ],
    ["a verified owner instead of the header", { authHeader }, {}, owner, false],
    ["nothing, on loopback", { allowKeyless: true }, {}, undefined, true],
    [
      "nothing, through a proxy on loopback",
      { allowKeyless: true },
      { "x-forwarded-for": "8.8.8.8" },
      undefined,
      false,
    ],
    ["a wrong key, on loopback", { allowKeyless: true }, { authorization: "Bearer nope" }, undefined, false],
    ["nothing, elsewhere", { allowKeyless: false }, {}, undefined, false],
    ["an owner's key", { allowKeyless: false }, { authorization: "Bearer owner-key" }, undefined, true],
    ["an owner's key as userinfo", { allowKeyless: false }, { authorization: basic }, undefined, true],
    [
      "an agent's key, which may not answer itself",
      { allowKeyless: false },
      { authorization: "Bearer agent-key" },
      undefined,
      false,
    ],
    [
      "a tenant's key for its own robots",
      { allowKeyless: false },
      { authorization: "Bearer t1-robot" },
      undefined,
      false,
    ],
    ["a console's cookie", { allowKeyless: false }, { cookie: "hil_console=owner-key" }, undefined, false],
    ["a verified owner", { allowKeyless: false }, {}, owner, true],
    ["a verified agent", { allowKeyless: false }, {}, agent, false],
  ])("to the deployment's robot: %s", async (_, settings, headers, principal, admitted) => {
    const admission = await admitVendor({
      headers,
      principal,
      channelId: DEPLOYMENT_ROBOT,
      authenticate,
      settings: { ...open, ...settings },
    });
    expect(admission).toMatchObject(
      admitted ? { kind: "admitted", tenantId: DEFAULT_TENANT } : { kind: "refused", status: 401 },
    );
  });

  test.each<[string, Record<string, string>, Principal | undefined, string | number]>([
    ["its key as Bearer", { authorization: "Bearer t1-robot" }, undefined, "t1"],
    ["its key as x-api-key", { "x-api-key": "t1-robot" }, undefined, "t1"],
    ["its key before the path", {}, PRINCIPALS["t1-robot"], "t1"],
    [
      "an administrator's key that names the scope",
      { "x-api-key": "t1-administrator-robot" },
      undefined,
      "t1",
    ],
    [
      "the owner's key, for a channel of the default tenant",
      { "x-api-key": "owner-key" },
      undefined,
      "_default",
    ],
    ["a key of another tenant, as that one's", { "x-api-key": "t2-robot" }, undefined, "t2"],
    ["an operator's key that was made for other things", { "x-api-key": "t1-operator" }, undefined, 403],
    [
      "an administrator's key that was made for other things",
      { "x-api-key": "t1-administrator" },
      undefined,
      403,
    ],
    ["a key without the scope", { "x-api-key": "t1-reader" }, undefined, 403],
    ["an agent's key, whatever its scopes", { "x-api-key": "t1-agent" }, undefined, 403],
    ["a wrong key", { "x-api-key": "nope" }, undefined, 401],
    ["nothing, although the deployment's robot takes that", {}, undefined, 401],
    ["the deployment's header", { "x-robot-token": "s3cret" }, undefined, 401],
    ["a console's cookie", { cookie: "hil_console=t1-robot" }, undefined, 401],
    ["a suspended tenant's key", { "x-api-key": "suspended" }, undefined, 403],
    ["a key that cannot be checked now", { "x-api-key": "unreachable" }, undefined, 503],
  ])("to a tenant's own channel: %s", async (_, headers, principal, outcome) => {
    const admission = await admitVendor({
      headers,
      principal,
      channelId: "team-robot",
      authenticate,
      settings: { authHeader, allowKeyless: true },
    });
    expect(admission).toMatchObject(
      typeof outcome === "string"
        ? { kind: "admitted", tenantId: outcome }
        : { kind: "refused", status: outcome },
    );
  });

  test("the channel is the one of that name of the key's tenant, and of no other (I6)", async () => {
    const ingest = vi.fn<Ingest>(async () => kept());
    await using server = await startFace(ingest);
    expect((await server.post("{}", { "x-api-key": "t1-robot" }, "/team-robot")).status).toBe(200);
    expect(ingest.mock.calls[0]![0].channel).toMatchObject({ id: "team-robot", tenantId: "t1" });
    const foreign = await server.post("{}", { "x-api-key": "t2-robot" }, "/team-robot");
    expect(foreign.status).toBe(404);
    expect(await foreign.json()).toMatchObject({
      errcode: -1,
      errmsg: expect.stringContaining("team-robot"),
    });
    expect(ingest).toHaveBeenCalledOnce();
  });

  test("who is not gets 401 with what to set, and the secret stays one", async () => {
    const ingest = vi.fn(async () => kept());
    await using server = await startFace(ingest, { authHeader });
    const response = await server.post("{}", { "x-robot-token": "guess" });
    expect(response.status).toBe(401);
    const { errcode, errmsg } = (await response.json()) as { errcode: number; errmsg: string };
    expect(errcode).toBe(-1);
    expect(errmsg).toContain("CALLBACK_AUTH_VALUE");
    expect(errmsg).not.toMatch(/s3cret|guess/);
    expect(ingest).not.toHaveBeenCalled();
  });

  test("a principal that was verified by a key in the path is enough", async () => {
    await using server = await startFace(async () => kept(), { allowKeyless: false }, owner);
    expect((await server.post("{}")).status).toBe(200);
  });
});

test("a channel that cannot be looked up is 503, so that the vendor repeats the message (I1)", async () => {
  const face = createVendorHttp({
    ingest: async () => kept(),
    channels: { find: () => Promise.reject(new Error("the delivery service is away")) },
    authenticate,
    settings: open,
    log: silentLog,
  });
  const server = createServer((request, response) => void face.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/callback`, { method: "POST", body: "{}" });
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
