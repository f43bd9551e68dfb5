// Everything over plain HTTP that is not an RPC: the faces of the earlier systems, vendors' callbacks, the console.
//
// Y1. A key in the path is verified and taken off before anything else sees the request (K1, K2).
// Y2. The services decide what a caller may do: each call of theirs carries the caller's own credential.
// Y3. A console session changes nothing by a request that a form of another page could send.
// Y4. A caller that calls too often hears so before its request is read, and late where it goes on calling.

import type { Client } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import type { DeliveryService } from "@hil/gen/hil/delivery/v1/delivery_service_pb.ts";
import type { SessionService } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { Principal } from "@hil/platform/auth/principal.ts";
import { publicError } from "@hil/platform/errors/hil-error.ts";
import { credentialJudged, untilRefused } from "@hil/platform/http/fallback-gate.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import { BodyError, requestBody } from "@hil/platform/http/request-body.ts";
import { noRateLimits, type RateLimits } from "@hil/platform/limits/rate-limits.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import type { PublicJwks } from "@hil/platform/signing/jws.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { createAttachedRelays } from "./attached-relays.ts";
import { type Caller, callerOf, splitKey } from "./caller.ts";
import type { Mode, TokenIssuer } from "./config.ts";
import { signInLinkRoute } from "./console/sign-in-link.ts";
import { misplacedCredential, resourceMetadataRoutes, withChallenge } from "./mcp-access.ts";
import { health, info } from "./message-face/health.ts";
import { messageRoutes } from "./message-face/routes.ts";
import { textsOf } from "./message-face/texts.ts";
import manifest from "./package.json" with { type: "json" };
import { publicKeysRoute } from "./public-keys.ts";
import { BadRequest, refusal, restError } from "./rest-error.ts";
import { type Answer, admit, type Call, type Found, findRoute, type Route } from "./route-table.ts";
import { workflowRoutes } from "./workflow-face/routes.ts";

/** Who a vendor's call comes from, where a key in its path or headers was verified. */
export interface VendorCaller {
  readonly principal?: Principal;
  /** The same key as a header, for a callback service elsewhere. */
  readonly authorization?: string;
}

/** Vendors' callbacks, as the callback service takes them. */
export interface VendorHttp {
  matches(path: string): boolean;
  handle(request: HttpRequest, response: HttpResponse, caller?: VendorCaller): void | Promise<void>;
}

/** MCP over HTTP, as the adapter serves it. */
export interface McpHttp {
  /** `path` has no query and no key. */
  matches(path: string): boolean;
  /** `credential` are the headers that show the services who calls. */
  handle(
    request: HttpRequest,
    response: HttpResponse,
    credential: Readonly<Record<string, string>>,
  ): Promise<void>;
}

/** The console's pages and signing in. */
export interface ConsoleHttp {
  matches(method: string, path: string): boolean;
  readonly handle: HttpHandler;
}

export interface GatewaySettings {
  readonly mode: Mode;
  readonly locale: "zh-CN" | "en";
  /** Whose tokens are taken. Unset: nobody's. */
  readonly tokens?: TokenIssuer | undefined;
  /** Where this deployment is reached: "http://127.0.0.1:8080". For what is told, never for decisions. */
  readonly publicUrl: () => string;
}

export interface GatewayOptions {
  readonly authenticate: Authenticate;
  /** What the deployment's services show each other. */
  readonly serviceKey: string;
  /**
   * Stands for callers without a key on the endpoints of hil-mcp: only on loopback, and only with no preset owner key.
   * Unset: they are refused.
   */
  readonly keylessKey?: string | undefined;
  /** Without a credential of its own: each call brings the caller's. */
  readonly sessions: Client<typeof SessionService>;
  /** Without a credential of its own. */
  readonly access: Client<typeof AccessService>;
  /** Without a credential of its own. */
  readonly delivery: Client<typeof DeliveryService>;
  /** The count that the services keep. Default: nobody calls too often. */
  readonly limits?: RateLimits;
  readonly vendorHttp: VendorHttp;
  /** Unset: MCP is not served. */
  readonly mcpHttp?: McpHttp;
  /** What receipts are signed with. Unset: no keys are published. */
  readonly signingKey?: { readonly publicJwks: PublicJwks };
  readonly console: ConsoleHttp;
  readonly log: Log;
  readonly now: () => Date;
  readonly settings: GatewaySettings;
}

const noKey = (publicUrl: string) =>
  `this needs a key: send Authorization: Bearer with it, or put it into the service URL as ${publicUrl}/k/KEY; HIL prints the owner key when it starts for the first time`;
const WRONG_KEY =
  "the key that was sent is not known, or works no more; use an API key of this deployment, or the owner key that HIL printed when it first started (HIL_OWNER_KEY where it is set)";

/** The handler of everything that is not an RPC. */
export function createGateway(options: GatewayOptions): HttpHandler {
  const { authenticate, keylessKey, sessions, access, delivery, vendorHttp, console, log, now, settings } =
    options;
  const limits = options.limits ?? noRateLimits;
  const ownCredential = { authorization: `Bearer ${options.serviceKey}` };
  const relays = createAttachedRelays({ delivery, ownCredential, now });
  const ofHealth = { mode: settings.mode, version: manifest.version, attachedRelays: relays.count, now };
  const routes: readonly Route[] = [
    ...messageRoutes({
      sessions,
      delivery,
      ownCredential,
      texts: textsOf(settings.locale),
      log,
    }),
    ...workflowRoutes({ sessions }),
    signInLinkRoute({ access, publicUrl: settings.publicUrl }),
    ...(options.signingKey ? [publicKeysRoute(options.signingKey)] : []),
    ...(settings.tokens ? resourceMetadataRoutes(settings.tokens, settings.publicUrl) : []),
    {
      method: "GET",
      pattern: "/health",
      prefix: "either",
      access: "open",
      handle: (call) => health(call, ofHealth),
    },
    {
      method: "GET",
      pattern: "/",
      prefix: "either",
      access: "earlier",
      handle: () => info(ofHealth),
    },
  ];

  return async (request, response) => {
    const { key, rest } = splitKey(request.url ?? "/");
    request.url = rest;
    const { path, query } = splitQuery(rest);
    const method = request.method ?? "GET";
    const caller = await callerOf(request.headers, key, { authenticate, keylessKey });
    judge(request, caller);

    if (vendorHttp.matches(path) && !(key !== undefined && caller.kind !== "key")) {
      await vendorHttp.handle(
        request,
        response,
        caller.kind === "key"
          ? { principal: caller.principal, authorization: caller.headers.authorization! }
          : {},
      );
      return;
    }
    if (options.mcpHttp?.matches(path)) {
      const credential = mcpCredential(caller);
      const refused =
        misplacedCredential(query, key) ??
        (credential ? await limitRefusal(request, caller) : why(caller, settings.publicUrl()));
      const challenge = { tokens: settings.tokens, publicUrl: settings.publicUrl() };
      if (refused) send(request, response, withChallenge(refused, caller, challenge));
      else await options.mcpHttp.handle(request, response, credential!);
      return;
    }
    const found = findRoute(routes, method, path);
    // Pages are not shown below a key: their links would carry it on.
    const isPage = key === undefined && console.matches(method, path);
    if (isPage && (found.kind !== "route" || acceptsHtml(request))) {
      await console.handle(request, response);
      return;
    }
    send(request, response, await answerOf(found));

    async function answerOf(target: Found): Promise<Answer> {
      switch (target.kind) {
        case "unknown":
          return caller.kind === "wrong-key" || caller.kind === "refused"
            ? why(caller, settings.publicUrl())
            : refusal(404, "there is nothing at this path", "PATH_NOT_FOUND");
        case "wrong-method":
          return refusal(405, `this path serves ${target.allow}`, "METHOD_NOT_ALLOWED", {
            allow: target.allow,
          });
        case "route": {
          const { route, id, underApi } = target;
          const credential = admit(route.access, caller);
          if (credential === undefined) return refuse(route, caller, settings.publicUrl());
          const refused = crossSiteRefusal(request, caller);
          if (refused) return refused;
          const tooOften = route.access === "open" ? undefined : await limitRefusal(request, caller, route);
          if (tooOften) return tooOften;
          const { headers } = request;
          const body = requestBody(request);
          return run(route, {
            underApi,
            id,
            query,
            headers,
            credential,
            body,
            signal: closedSignal(response),
          });
        }
      }
    }
  };

  /**
   * Why a caller calls too often to have its request read; undefined where it does not. The services count the call of a
   * route; one of MCP is counted here, as it may reach no service.
   */
  async function limitRefusal(
    request: HttpRequest,
    caller: Caller,
    route?: Route,
  ): Promise<Answer | undefined> {
    if (caller.kind !== "key" && caller.kind !== "console") return undefined;
    try {
      if (route) limits.check(caller.principal);
      else limits.admit(caller.principal);
      return undefined;
    } catch (caught) {
      const error = publicError(caught);
      await untilRefused(request, error);
      return route?.refuse?.(error.rawMessage) ?? restError(error);
    }
  }

  async function run(route: Route, call: Call): Promise<Answer> {
    try {
      const answer = await route.handle(call);
      log.debug({ method: route.method, route: route.pattern, status: answer.status }, "answered");
      return answer;
    } catch (error) {
      const isExpected =
        error instanceof ConnectError || error instanceof BadRequest || error instanceof BodyError;
      if (!isExpected && !call.signal.aborted) {
        log.error({ err: error, method: route.method, route: route.pattern }, "a request failed");
      }
      return restError(error);
    }
  }
}

function refuse(route: Route, caller: Caller, publicUrl: string): Answer {
  const answer = why(caller, publicUrl);
  return route.refuse?.((answer.body as { error: string }).error) ?? answer;
}

/** Why a caller is not let in. */
function why(caller: Caller, publicUrl: string): Answer {
  if (caller.kind === "refused") return restError(caller.error);
  const sentence = caller.kind === "wrong-key" ? WRONG_KEY : noKey(publicUrl);
  return refusal(401, sentence, "CREDENTIAL_INVALID");
}

/** What a caller of MCP is let in with. Programs call, so that the console's cookie counts for nothing there (Y3). */
function mcpCredential(caller: Caller): Readonly<Record<string, string>> | undefined {
  return caller.kind === "key" || caller.kind === "keyless" ? caller.headers : undefined;
}

/** Tells the listener what became of the credential, which counts wrong ones. */
function judge(request: HttpRequest, { kind }: Caller): void {
  switch (kind) {
    case "key":
    case "console":
      credentialJudged(request, true);
      return;
    case "wrong-key":
      credentialJudged(request, false);
      return;
    case "keyless":
    case "nobody":
    case "refused":
      return; // nothing was shown, or it was not wrong
  }
}

/** A browser sends its cookie with a form of any page, but never JSON without asking us first (Y3). */
function crossSiteRefusal(request: HttpRequest, caller: Caller): Answer | undefined {
  if (caller.kind !== "console" || request.method === "GET" || request.method === "HEAD") return undefined;
  if (/^application\/json *(;|$)/i.test(request.headers["content-type"] ?? "")) return undefined;
  return refusal(
    415,
    "a console session may change things with content-type application/json only",
    "INVALID_REQUEST",
  );
}

function acceptsHtml(request: HttpRequest): boolean {
  return /\btext\/html\b/i.test(request.headers.accept ?? "");
}

function splitQuery(target: string): { path: string; query: URLSearchParams } {
  const at = target.indexOf("?");
  return at < 0
    ? { path: target, query: new URLSearchParams() }
    : { path: target.slice(0, at), query: new URLSearchParams(target.slice(at + 1)) };
}

/** Aborts when the connection goes before the answer is written. */
function closedSignal(response: HttpResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}

function send(request: HttpRequest, response: HttpResponse, answer: Answer): void {
  // What was not read of a request would stand before the next one of the same connection.
  if (!request.readableEnded) request.resume();
  if (response.destroyed) return;
  const text = JSON.stringify(answer.body);
  response.writeHead(answer.status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": String(Buffer.byteLength(text)),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...answer.headers,
  });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  if (answer.afterSent) response.once("finish", answer.afterSent);
  response.end(text);
}
