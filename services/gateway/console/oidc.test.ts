import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createOidcSignIn } from "./oidc.ts";
import { createAttempts } from "./oidc-attempt.ts";
import { readOidcConfig } from "./oidc-config.ts";
import {
  CLIENT_ID,
  CLIENT_SECRET,
  type FakeOidcProvider,
  startFakeOidcProvider,
} from "./testing/fake-oidc-provider.ts";

/** The gateway's side, with the access service as a test wants it. */
interface Site {
  readonly url: string;
  /** Who was brought to the access service. */
  readonly proofs: { issuer: string; subject: string; email: string }[];
  readonly ended: string[];
  readonly said: string[];
  advance(ms: number): void;
  refuse?: ErrorReason;
}

let provider: FakeOidcProvider;
let site: Site;
const closers: (() => Promise<void>)[] = [];

beforeEach(async () => {
  let url = "";
  provider = await startFakeOidcProvider({ redirectUri: () => `${url}/login/oidc/callback` });
  closers.push(() => provider.close());
  let ahead = 0;
  const now = () => new Date(Date.now() + ahead);
  const started: Site = {
    get url() {
      return url;
    },
    proofs: [],
    ended: [],
    said: [],
    advance: (ms) => {
      ahead += ms;
    },
  };
  const access = createClient(
    AccessService,
    createRouterTransport(({ rpc }) => {
      rpc(AccessService.method.startConsoleSession, ({ proof }) => {
        if (proof.case !== "oidc") throw new Error("another proof");
        const { issuer, subject, email } = proof.value;
        started.proofs.push({ issuer, subject, email });
        if (started.refuse) throw hilError(Code.Unauthenticated, started.refuse, "no");
        return {
          secret: "new-secret",
          expireTime: timestampFromDate(new Date(now().getTime() + 604_800_000)),
        };
      });
      rpc(AccessService.method.endConsoleSession, ({ secret }) => {
        started.ended.push(secret);
        return {};
      });
    }),
  );
  const say = (...words: unknown[]) => void started.said.push(JSON.stringify(words));
  const oidc = createOidcSignIn({
    config: readOidcConfig({
      HIL_OIDC_ISSUER: provider.url,
      HIL_OIDC_CLIENT_ID: CLIENT_ID,
      HIL_OIDC_CLIENT_SECRET: CLIENT_SECRET,
    })!,
    access,
    publicUrl: () => url,
    isHttps: () => false,
    log: { ...silentLog, info: say, warn: say, error: say },
    now,
  });
  const server = http.createServer((request, response) => void oidc.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  closers.push(() => new Promise((resolve) => server.close(() => resolve())));
  site = started;
});

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** One step of a browser that does not follow by itself. */
async function get(url: string, cookie?: string) {
  const response = await fetch(url, { redirect: "manual", headers: cookie ? { cookie } : {} });
  const cookies = response.headers.getSetCookie();
  return {
    response,
    location: response.headers.get("location") ?? "",
    cookies,
    /** The sealed cookie as the browser sends it back. */
    attempt: cookies.find((each) => each.startsWith("hil_oidc="))?.split(";", 1)[0] ?? "",
    session: cookies.find((each) => each.startsWith("hil_console=")),
  };
}

/** Sets out and signs in at the provider; what leads back. */
async function goThere(next = "") {
  const start = await get(`${site.url}/login/oidc${next ? `?next=${encodeURIComponent(next)}` : ""}`);
  const page = await (await fetch(start.location)).text();
  const back = /href="([^"]+)"/.exec(page)![1]!.replaceAll("&amp;", "&");
  return { start, back };
}

const problemOf = (location: string) => new URL(location, site.url).searchParams.get("problem");

describe("a person who signs in at the provider", () => {
  test("is known to the access service by issuer, subject and verified e-mail, and gets a session", async () => {
    const { start, back } = await goThere("/s/01936f5e?q=a");
    const end = await get(back, start.attempt);
    expect(end.location).toBe("/s/01936f5e?q=a");
    expect(end.session).toMatch(
      /^hil_console=new-secret; Path=\/; Max-Age=6047\d\d; HttpOnly; SameSite=Lax$/,
    );
    expect(end.cookies).toContain("hil_oidc=; Path=/login/oidc; Max-Age=0; HttpOnly; SameSite=Lax");
    expect(site.proofs).toEqual([
      { issuer: provider.url, subject: "subject-1", email: "zhao.min@example.com" },
    ]);
    expect(end.response.headers.get("referrer-policy")).toBe("no-referrer");
  });

  test("is sent there with PKCE, state and nonce, and the browser keeps them where no script reads", async () => {
    const { start } = await goThere();
    const query = new URL(start.location).searchParams;
    expect(Object.fromEntries(query)).toMatchObject({
      response_type: "code",
      client_id: CLIENT_ID,
      scope: "openid email profile",
      redirect_uri: `${site.url}/login/oidc/callback`,
      code_challenge_method: "S256",
    });
    for (const name of ["state", "nonce", "code_challenge"])
      expect(query.get(name)!.length).toBeGreaterThan(40);
    const cookie = start.cookies[0]!;
    expect(cookie).toMatch(/^hil_oidc=[\w-]+; Path=\/login\/oidc; Max-Age=600; HttpOnly; SameSite=Lax$/);
    expect(cookie).not.toContain(query.get("state"));
    expect(Buffer.from(start.attempt.slice(9), "base64url").toString("latin1")).not.toContain(
      query.get("nonce"),
    );
  });

  test("O3: loses the session that the browser had", async () => {
    const { start, back } = await goThere();
    const end = await get(back, `hil_console=old-secret; ${start.attempt}`);
    expect(end.session).toContain("hil_console=new-secret");
    expect(site.ended).toEqual(["old-secret"]);
  });

  test.each([
    ["not verified", { email_verified: false }, ""],
    ["verified in words", { email_verified: "true" }, ""],
    ["not said to be verified", { email_verified: undefined }, ""],
    ["no text", { email: ["a@example.com"] }, ""],
  ])("an e-mail address that is %s does not count", async (_, claims, email) => {
    provider.bend = { claims };
    const { start, back } = await goThere();
    await get(back, start.attempt);
    expect(site.proofs[0]!.email).toBe(email);
  });

  test("an e-mail address that is not in the token is asked for", async () => {
    const claims = { email: undefined, email_verified: undefined };
    provider.bend = { claims, userInfo: { email: "LI@example.com", email_verified: true } };
    const { start, back } = await goThere();
    await get(back, start.attempt);
    expect(site.proofs[0]!.email).toBe("li@example.com");
  });

  test.each([
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "/s/\\..\\x",
    "/login",
    "/s/\r\nx: y",
    "/s/图",
  ])("is never led to %j", async (next) => {
    const { start, back } = await goThere(next);
    expect((await get(back, start.attempt)).location).toBe("/inbox");
  });
});

describe("O1, S3: not signed in, and told so on the sign-in page", () => {
  async function refused(back: string, cookie: string | undefined, problem: string) {
    const end = await get(back, cookie);
    expect(problemOf(end.location)).toBe(problem);
    expect(end.location).toMatch(/^\/login\?/);
    expect(end.session).toBeUndefined();
    return end;
  }

  test("the same way back a second time", async () => {
    const { start, back } = await goThere();
    expect((await get(back, start.attempt)).session).toBeDefined();
    await refused(back, start.attempt, "attempt-over");
    expect(site.proofs.length).toBe(1);
  });

  test("another browser, without the cookie or with one of its own", async () => {
    const [mine, theirs] = [await goThere(), await goThere()];
    await refused(theirs.back, undefined, "attempt-over");
    await refused(theirs.back, mine.start.attempt, "not-verified");
    expect(site.proofs).toEqual([]);
  });

  test.each([
    ["another state", (url: URL) => url.searchParams.set("state", "x".repeat(43))],
    ["no state", (url: URL) => url.searchParams.delete("state")],
    ["two states", (url: URL) => url.searchParams.append("state", "x")],
    ["another code", (url: URL) => url.searchParams.set("code", "made-up")],
    ["no code", (url: URL) => url.searchParams.delete("code")],
    ["two codes", (url: URL) => url.searchParams.append("code", "x")],
    ["another issuer", (url: URL) => url.searchParams.set("iss", "https://evil.example")],
  ])("%s", async (_, change) => {
    const { start, back } = await goThere();
    const url = new URL(back);
    change(url);
    await refused(url.href, start.attempt, "not-verified");
    expect(site.proofs).toEqual([]);
  });

  test("10 minutes later", async () => {
    const { start, back } = await goThere();
    site.advance(600_000);
    await refused(back, start.attempt, "attempt-over");
  });

  test.each([
    ["made up", () => "hil_oidc=AAAA"],
    ["empty", () => "hil_oidc="],
    ["changed", (sealed: string) => `${sealed.slice(0, -2)}xx`],
    [
      "of another secret",
      () =>
        `hil_oidc=${createAttempts({ secret: "another", now: () => new Date() }).seal({ state: "s", nonce: "n", verifier: "v", next: "/inbox", untilMs: Date.now() + 60_000 })}`,
    ],
  ])("a cookie that is %s", async (_, cookie) => {
    const { start, back } = await goThere();
    await refused(back, cookie(start.attempt), "attempt-over");
  });

  const past = Math.floor(Date.now() / 1000) - 3600;
  test.each([
    ["another nonce", { claims: { nonce: "x".repeat(43) } }],
    ["no nonce", { claims: { nonce: undefined } }],
    ["another audience", { claims: { aud: "another-client" } }],
    ["another issuer in the token", { claims: { iss: "https://evil.example" } }],
    ["a token that is over", { claims: { iat: past, exp: past + 60 } }],
    ["a token without an end", { claims: { exp: undefined } }],
    ["a token for another party as well", { claims: { aud: [CLIENT_ID, "x"], azp: "x" } }],
    ["a token without subject", { claims: { sub: undefined } }],
    ["a token that the provider did not sign", { strangeKey: true }],
  ])("%s", async (_, bend) => {
    provider.bend = bend;
    const { start, back } = await goThere();
    await refused(back, start.attempt, "not-verified");
    expect(site.proofs).toEqual([]);
  });

  test("who said no at the provider", async () => {
    provider.bend = { error: "access_denied" };
    const { start, back } = await goThere("/s/1");
    const { location } = await refused(back, start.attempt, "provider-refused");
    expect(new URL(location, site.url).searchParams.get("next")).toBe("/s/1");
  });

  test.each([
    [ErrorReason.CREDENTIAL_INVALID, "no-member"],
    [ErrorReason.TENANT_SUSPENDED, "suspended"],
    [ErrorReason.STORAGE_UNAVAILABLE, "failed"],
  ])("whom the access service refuses with %s: %s", async (reason, problem) => {
    site.refuse = reason;
    const { start, back } = await goThere();
    await refused(back, start.attempt, problem);
  });

  test("where the provider does not answer, and it is not asked again for 10 s", async () => {
    provider.bend = { status: 503 };
    for (let each = 0; each < 3; each++) {
      expect(problemOf((await get(`${site.url}/login/oidc`)).location)).toBe("provider-unreachable");
    }
    expect(provider.requests.length).toBe(1);
    provider.bend = {};
    site.advance(10_000);
    expect((await get(`${site.url}/login/oidc`)).location).toContain(`${provider.url}/authorize`);
  });

  test("after ten failures of one address, for a minute", async () => {
    for (let each = 0; each < 10; each++)
      await refused(`${site.url}/login/oidc/callback`, undefined, "attempt-over");
    const { start, back } = await goThere();
    await refused(back, start.attempt, "too-many");
    site.advance(60_000);
    const again = await goThere();
    expect((await get(again.back, again.start.attempt)).session).toBeDefined();
  });
});

test("a browser that came by another name is led to the public one first, once", async () => {
  const elsewhere = site.url.replace("127.0.0.1", "localhost");
  const first = await get(`${elsewhere}/login/oidc?next=/settings`);
  expect(first.location).toBe(`${site.url}/login/oidc?next=%2Fsettings&here=`);
  expect(first.cookies).toEqual([]);
  const second = await get(`${elsewhere}/login/oidc?next=/settings&here=`);
  expect(second.location).toContain(provider.url);
});

test("I12: no code, state, nonce, token or secret is in the log", async () => {
  const secrets: string[] = [CLIENT_SECRET];
  for (const bend of [
    { claims: { nonce: "wrong-nonce" } },
    { strangeKey: true },
    { error: "access_denied" },
  ]) {
    provider.bend = bend;
    const { start, back } = await goThere();
    const [there, here] = [new URL(start.location).searchParams, new URL(back).searchParams];
    secrets.push(there.get("state")!, there.get("nonce")!, start.attempt.slice(9));
    if (here.get("code")) secrets.push(here.get("code")!);
    await get(back, start.attempt);
  }
  expect(site.said.length).toBe(3);
  for (const secret of secrets) expect(site.said.join()).not.toContain(secret);
  expect(site.said.join()).not.toMatch(/eyJ|wrong-nonce|zhao/i);
});

test.each([
  [{ HIL_OIDC_CLIENT_ID: "" }, /HIL_OIDC_CLIENT_ID/],
  [{ HIL_OIDC_CLIENT_SECRET: "" }, /HIL_OIDC_CLIENT_SECRET/],
  [{ HIL_OIDC_CLIENT_SECRET: "short" }, /HIL_OIDC_CLIENT_SECRET/],
  [{ HIL_OIDC_ISSUER: "http://id.example.com" }, /HIL_OIDC_ISSUER/],
  [{ HIL_OIDC_ISSUER: "id.example.com" }, /HIL_OIDC_ISSUER/],
  [{ HIL_OIDC_SCOPES: "email" }, /HIL_OIDC_SCOPES/],
])("a set-up that cannot work is refused: %j", (environment, problem) => {
  const right = {
    HIL_OIDC_ISSUER: "https://id.example.com",
    HIL_OIDC_CLIENT_ID: "x",
    HIL_OIDC_CLIENT_SECRET: CLIENT_SECRET,
  };
  expect(readOidcConfig(right)).toMatchObject({ name: "id.example.com", scopes: "openid email profile" });
  expect(() => readOidcConfig({ ...right, ...environment })).toThrow(problem);
});
