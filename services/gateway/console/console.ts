// The console as the gateway serves it: its files, signing in, and the pictures of questions.
//
// W1. A page address of the app answers with the app's page, whatever is behind it; the app asks for the rest.
// W2. Nothing that a page needs comes from elsewhere, and its headers say so to the browser.
// W3. Without a built console its addresses say how to build it; everything else of the gateway still works.
import { fileURLToPath } from "node:url";
import type { Client } from "@connectrpc/connect";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { createAttachmentHandler, isAttachmentPath } from "./attachment.ts";
import { type ConsoleFile, chooseBody, readConsoleFiles } from "./console-files.ts";
import type { OidcSignIn } from "./oidc.ts";
import { PAGE_HEADERS } from "./security-headers.ts";
import { createSignIn, type SignInAnswer } from "./sign-in.ts";

/** Where `vite build console` puts the console. */
export const CONSOLE_DIST_DIR = fileURLToPath(new URL("../../../console/dist", import.meta.url));

export interface ConsoleOptions {
  /** The folder of the built console. */
  readonly distDir: string;
  readonly authenticate: Authenticate;
  /** As a service of the deployment. */
  readonly access: Client<typeof AccessService>;
  /** Without a credential of its own: each call brings the caller's. */
  readonly sessions: Client<typeof SessionService>;
  /** How people sign in by a provider. Default: they do not. */
  readonly oidc?: OidcSignIn | undefined;
  readonly log: Log;
  /** Default: the machine's clock. */
  readonly now?: () => Date;
  /** The host, with its port if it has one, that browsers reach by https through a proxy in front of us. Default: none. */
  readonly secureHost?: string;
}

export interface Console {
  /** True for what `handle` answers. `path` is the URL's, without query. */
  matches(method: string, path: string): boolean;
  readonly handle: HttpHandler;
}

const APP_PATH = /^\/(inbox|login|settings|s\/[^/]+)?\/?$/;
const FILE_PATH = /^\/(assets\/[\w.-]+|theme\.js|icon\.svg)$/;
const SIGN_IN_PATH = "/api/console/sign-in";
const SIGN_OUT_PATH = "/api/console/sign-out";
const SIGN_IN_OPTIONS_PATH = "/api/console/sign-in-options";

/** Makes the console's face. Reads its files at once; if there are none, again at each request for a page. */
export function createConsole({
  distDir,
  authenticate,
  access,
  sessions,
  oidc,
  log,
  now = () => new Date(),
  secureHost,
}: ConsoleOptions): Console {
  let files = readConsoleFiles(distDir);
  const isHttps = isHttpsOf(secureHost);
  const { signIn, signOut } = createSignIn({ access, isHttps, log, now });
  const sendAttachment = createAttachmentHandler({ sessions, authenticate });

  return {
    matches(method, path) {
      if (path === SIGN_IN_PATH || path === SIGN_OUT_PATH) return method === "POST";
      if (oidc?.matches(method, path)) return true;
      if (method !== "GET" && method !== "HEAD") return false;
      if (path === SIGN_IN_OPTIONS_PATH) return true;
      return APP_PATH.test(path) || FILE_PATH.test(path) || isAttachmentPath(path);
    },
    async handle(request, response) {
      const path = (request.url ?? "/").split("?", 1)[0]!;
      if (path === SIGN_IN_PATH) return sendJson(response, await signIn(request));
      if (path === SIGN_OUT_PATH) return sendJson(response, await signOut(request));
      if (oidc?.matches(request.method ?? "GET", path)) return oidc.handle(request, response);
      if (path === SIGN_IN_OPTIONS_PATH) return sendSignInOptions(response, oidc);
      if (isAttachmentPath(path)) return sendAttachment(request, response, path);
      files ??= readConsoleFiles(distDir);
      if (!files) return sendNotBuilt(response);
      const file = files.get(APP_PATH.test(path) ? "/index.html" : path);
      if (file) sendFile(request, response, file);
      else sendNotFound(response);
    },
  };
}

/** Whether a browser came by https: to `secureHost`, which a proxy in front of us serves. */
export function isHttpsOf(secureHost: string | undefined): (request: HttpRequest) => boolean {
  return (request) =>
    secureHost !== undefined && (request.headers[":authority"] ?? request.headers.host) === secureHost;
}

function sendFile(request: HttpRequest, response: HttpResponse, file: ConsoleFile): void {
  const caching = {
    etag: file.etag,
    // A page names the hashed files of one build: it is asked for again each time, they never are.
    "cache-control": file.immutable ? "public, max-age=31536000, immutable" : "no-cache",
    vary: "accept-encoding",
  };
  if (request.headers["if-none-match"] === file.etag) {
    response.writeHead(304, { ...PAGE_HEADERS, ...caching });
    response.end();
    return;
  }
  const { body, encoding } = chooseBody(file, request.headers["accept-encoding"] as string | undefined);
  response.writeHead(200, {
    ...PAGE_HEADERS,
    ...caching,
    "content-type": file.mediaType,
    "content-length": String(body.length),
    ...(encoding ? { "content-encoding": encoding } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function sendJson(response: HttpResponse, { status, headers, body }: SignInAnswer): void {
  response.writeHead(status, {
    ...PAGE_HEADERS,
    "cache-control": "no-store",
    ...(body ? { "content-type": "application/json" } : {}),
    ...headers,
  });
  response.end(body ? JSON.stringify(body) : undefined);
}

/** What the sign-in page shows beside the owner key. For everybody: nobody is signed in there. */
function sendSignInOptions(response: HttpResponse, oidc: OidcSignIn | undefined): void {
  response.writeHead(200, {
    ...PAGE_HEADERS,
    "cache-control": "no-store",
    "content-type": "application/json",
  });
  response.end(JSON.stringify(oidc ? { oidc: { name: oidc.name } } : {}));
}

function sendNotBuilt(response: HttpResponse): void {
  response.writeHead(503, {
    ...PAGE_HEADERS,
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
  });
  response.end(
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>HIL</title><h1>The console is not built yet</h1>' +
      "<p>Run <code>npm start</code> in the folder of HIL: it builds the console and starts the server.</p></html>",
  );
}

function sendNotFound(response: HttpResponse): void {
  response.writeHead(404, {
    ...PAGE_HEADERS,
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
  });
  response.end("There is no such file; the console was updated. Load the page again.\n");
}
