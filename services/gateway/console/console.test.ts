import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { OWNER_KEY, type RunningAccess, startAccess } from "@hil/access/testing/running-access.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { afterEach, describe, expect, test } from "vitest";
import { createConsole } from "./console.ts";

const SESSION_ID = "01936f5e-0000-7000-8000-000000000001";
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Started {
  readonly url: string;
  readonly access: RunningAccess;
  readonly distDir: string;
  /** Moves the server's clock. */
  advance(ms: number): void;
}

async function startConsole({
  built = true,
  secureHost = undefined as string | undefined,
} = {}): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), "hil-console-"));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const distDir = join(folder, "dist");
  if (built) build(distDir);
  const access = await startAccess();
  cleanups.push(() => access[Symbol.asyncDispose]());
  const sessions = createClient(
    SessionService,
    createRouterTransport(({ rpc }) => {
      rpc(SessionService.method.getAttachment, ({ sessionId, number }) => {
        if (number > 2) {
          throw hilError(Code.NotFound, ErrorReason.SESSION_NOT_FOUND, "no such picture", {
            session_id: sessionId,
          });
        }
        const mediaType = number === 1 ? "image/png" : "image/svg+xml";
        return { attachment: { number, mediaType }, data: new Uint8Array([1, 2, 3]) };
      });
    }),
  );
  const site = createConsole({
    distDir,
    authenticate: access.authenticate,
    access: access.asService(),
    sessions,
    log: silentLog,
    now: access.now,
    secureHost,
  });
  const server = http.createServer((request, response) => {
    const path = request.url!.split("?", 1)[0]!;
    if (site.matches(request.method!, path)) void site.handle(request, response);
    else response.writeHead(404, { "x-not-mine": "1" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    access,
    distDir,
    advance: access.advance,
  };
}

function build(distDir: string): void {
  mkdirSync(join(distDir, "assets"), { recursive: true });
  writeFileSync(join(distDir, "index.html"), "<!doctype html><title>HIL</title>");
  writeFileSync(join(distDir, "assets", "main-abc123.js"), "console.log(1)");
  writeFileSync(join(distDir, "secret.env"), "KEY=1");
}

function signIn(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/api/console/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

describe("pages", () => {
  test.each(["/", "/inbox", "/s/01936f5e", "/login", "/settings"])(
    "%s is the app's page, never kept",
    async (path) => {
      const { url } = await startConsole();
      const response = await fetch(url + path);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(response.headers.get("cache-control")).toBe("no-cache");
      expect(response.headers.get("content-security-policy")).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
          "worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
          "require-trusted-types-for 'script'",
      );
      for (const name of ["cross-origin-opener-policy", "cross-origin-resource-policy"]) {
        expect(response.headers.get(name)).toBe("same-origin");
      }
    },
  );

  test("a page that did not change is not sent again", async () => {
    const { url } = await startConsole();
    const etag = (await fetch(`${url}/inbox`)).headers.get("etag")!;
    const again = await fetch(`${url}/inbox`, { headers: { "if-none-match": etag } });
    expect(again.status).toBe(304);
  });

  test("a hashed file is kept for ever and sent compressed", async () => {
    const { url } = await startConsole();
    const response = await fetch(`${url}/assets/main-abc123.js`, { headers: { "accept-encoding": "gzip" } });
    expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(response.headers.get("content-encoding")).toBe("gzip");
    expect(await response.text()).toBe("console.log(1)");
  });

  test.each([
    "/secret.env",
    "/api/sessions",
    "/assets/../secret.env",
    "/hil.session.v1.SessionService/GetSession",
  ])("%s is not the console's", async (path) => {
    const { url } = await startConsole();
    expect((await fetch(url + path)).headers.get("x-not-mine")).toBe("1");
  });

  test("a file of an older build is 404, not the app's page", async () => {
    const { url } = await startConsole();
    expect((await fetch(`${url}/assets/main-old.js`)).status).toBe(404);
  });

  test("a console that is not built says how to build it, and serves once it is", async () => {
    const { url, distDir } = await startConsole({ built: false });
    const response = await fetch(`${url}/inbox`);
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("npm start");
    build(distDir);
    expect((await fetch(`${url}/inbox`)).status).toBe(200);
  });
});

describe("signing in", () => {
  test("a sign-in link works once and gives a cookie that the services take", async () => {
    const { url, access } = await startConsole();
    const { token } = await access.asOwner.createSignInLink({});
    const response = await signIn(url, { token });
    expect(response.status).toBe(204);
    const cookie = response.headers.get("set-cookie")!;
    expect(cookie).toMatch(/^hil_console=[^;]+; Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax$/);
    const headers = new Headers({ cookie: cookie.split(";", 1)[0]! });
    expect((await access.authenticate(headers)).kind).toBe("console");

    const again = await signIn(url, { token });
    expect(again.status).toBe(401);
    expect(await again.json()).toMatchObject({ reason: "CREDENTIAL_INVALID" });
  });

  test("the owner key signs in; keys of services and programs without a person do not", async () => {
    const { url, access } = await startConsole();
    expect((await signIn(url, { key: OWNER_KEY })).status).toBe(204);
    for (const key of [access.serviceKey, access.keylessKey, "wrong"]) {
      expect((await signIn(url, { key })).status).toBe(401);
    }
  });

  test("the cookie is Secure on the host that browsers reach by https, and there only", async () => {
    const { url } = await startConsole({ secureHost: "hil.example.com" });
    // Not fetch(): it sets the Host header itself.
    const cookieOn = (host: string) =>
      new Promise<string | undefined>((resolve, reject) => {
        const headers = { host, "content-type": "application/json" };
        const request = http.request(`${url}/api/console/sign-in`, { method: "POST", headers }, (response) =>
          resolve(response.headers["set-cookie"]?.[0]),
        );
        request.on("error", reject);
        request.end(JSON.stringify({ key: OWNER_KEY }));
      });
    expect(await cookieOn("hil.example.com")).toMatch(/^__Host-hil_console=[^;]+; Path=\/; .*; Secure$/);
    expect(await cookieOn("127.0.0.1")).toMatch(/^hil_console=(?!.*Secure)/);
  });

  test("the eleventh wrong key within a minute is not looked at, and says when to come back", async () => {
    const { url, advance } = await startConsole();
    for (let each = 0; each < 10; each++) expect((await signIn(url, { key: "wrong" })).status).toBe(401);
    const response = await signIn(url, { key: OWNER_KEY });
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("6");
    advance(6_000);
    expect((await signIn(url, { key: OWNER_KEY })).status).toBe(204);
  });

  test("a body that another site's form could send is refused", async () => {
    const { url } = await startConsole();
    expect((await signIn(url, { key: OWNER_KEY }, { "content-type": "text/plain" })).status).toBe(415);
  });

  test.each([{}, { key: "" }, { key: 1 }, { key: "k", extra: 1 }, { key: "x".repeat(5000) }])(
    "a body without a key or token is a 400, %#",
    async (body) => {
      const { url } = await startConsole();
      expect((await signIn(url, body)).status).toBe(400);
    },
  );

  test("signing out clears the cookie and ends the session behind it", async () => {
    const { url, access, advance } = await startConsole();
    const cookie = await access.cookie();
    expect((await access.authenticate(new Headers({ cookie }))).kind).toBe("console");
    const response = await fetch(`${url}/api/console/sign-out`, {
      method: "POST",
      headers: { "content-type": "application/json", cookie },
    });
    expect(response.headers.get("set-cookie")).toContain("hil_console=; Path=/; Max-Age=0");
    advance(4_000);
    await expect(access.authenticate(new Headers({ cookie }))).rejects.toThrow(/has ended/);
  });

  test("signing in anew ends the session that the browser had", async () => {
    const { url, access } = await startConsole();
    const cookie = await access.cookie();
    expect((await signIn(url, { key: OWNER_KEY }, { cookie })).status).toBe(204);
    await expect(access.authenticate(new Headers({ cookie }))).rejects.toThrow(/has ended/);
  });
});

describe("pictures", () => {
  async function picture(number: number, credential = true) {
    const { url } = await startConsole();
    return fetch(`${url}/api/console/attachments/${SESSION_ID}/${number}`, {
      headers: credential ? { authorization: `Bearer ${OWNER_KEY}` } : {},
    });
  }

  test("a PNG is shown in the page, and runs nothing in a tab of its own", async () => {
    const response = await picture(1);
    expect(response.headers.get("content-type")).toBe("image/png");
    expect(response.headers.get("content-disposition")).toBe('inline; filename="1.png"');
    expect(response.headers.get("content-security-policy")).toBe("default-src 'none'; sandbox");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]));
  });

  test("what is neither PNG nor JPEG is for download only", async () => {
    const response = await picture(2);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(response.headers.get("content-disposition")).toMatch(/^attachment/);
  });

  test("an unknown picture is a 404, and one without a credential a 401", async () => {
    expect((await picture(3)).status).toBe(404);
    expect((await picture(1, false)).status).toBe(401);
  });
});
