// Signing in to the console by an OpenID Connect provider.
//
// O1. What comes back is taken only in the browser that set out, once, and within 10 minutes: its state, nonce and PKCE
//     verifier are in a sealed cookie that no script reads.
// O2. The provider says who it is; the access service says whether that is a member. Nobody becomes one by signing in.
// O3. A sign-in always makes a new console session and ends the one that the browser had.
// O4. Whatever goes wrong, the person reads it on the sign-in page, in words. No code, token or state is logged.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { consoleSessionOf } from "@hil/platform/auth/credential-headers.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import { callerAddress } from "@hil/platform/http/fallback-gate.ts";
import type { HttpRequest, HttpResponse } from "@hil/platform/http/listener.ts";
import { createKeyedLimit } from "@hil/platform/limits/keyed-limit.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { consoleCookie } from "./console-cookie.ts";
import { ATTEMPT_MS, createAttempts } from "./oidc-attempt.ts";
import type { OidcConfig } from "./oidc-config.ts";
import { attemptValues, createOidcProvider, type OidcPerson } from "./oidc-provider.ts";
import { PAGE_HEADERS } from "./security-headers.ts";

const START_PATH = "/login/oidc";
const CALLBACK_PATH = "/login/oidc/callback";
const ATTEMPT_COOKIE = "hil_oidc";
/** Ways back that lead nowhere, for one address in a minute. */
const MAX_FAILURES = 10;

/** Why a person is not signed in. The sign-in page has words for each. */
export type OidcProblem =
  | "provider-unreachable" // it does not answer
  | "provider-refused" // the person, or the provider, said no
  | "attempt-over" // too late, a second time, or in another browser
  | "not-verified" // what came back does not hold
  | "no-member" // known there, but not here
  | "suspended" // the tenant is
  | "too-many" // failures from this address
  | "failed"; // our own trouble

export interface OidcSignIn {
  /** What the sign-in page shows. */
  readonly name: string;
  matches(method: string, path: string): boolean;
  handle(request: HttpRequest, response: HttpResponse): Promise<void>;
}

export interface OidcOptions {
  readonly config: OidcConfig;
  /** As a service of the deployment. */
  readonly access: Client<typeof AccessService>;
  /** Where this deployment is reached: the provider knows `{publicUrl}/login/oidc/callback`. */
  readonly publicUrl: () => string;
  /** Whether the browser came by https. */
  readonly isHttps: (request: HttpRequest) => boolean;
  readonly log: Log;
  readonly now: () => Date;
}

export function createOidcSignIn({ config, access, publicUrl, isHttps, log, now }: OidcOptions): OidcSignIn {
  const provider = createOidcProvider(config, { now });
  const attempts = createAttempts({ secret: config.clientSecret, now });
  const limit = createKeyedLimit({ points: MAX_FAILURES, windowMs: 60_000, now });

  return {
    name: config.name,
    matches: (method, path) => method === "GET" && (path === START_PATH || path === CALLBACK_PATH),
    async handle(request, response) {
      const url = new URL(request.url ?? "/", publicUrl());
      if (url.pathname === START_PATH) await start(request, response, url);
      else await finish(request, response, url);
    },
  };

  async function start(request: HttpRequest, response: HttpResponse, url: URL): Promise<void> {
    const host = request.headers[":authority"] ?? request.headers.host;
    // The cookie must be of the host that the provider leads back to. Once: a proxy may hide that host from us.
    if (host !== url.host && !url.searchParams.has("here")) {
      url.searchParams.set("here", "");
      redirect(response, url.href);
      return;
    }
    const next = returnPath(url.searchParams.get("next"));
    const attempt = { ...attemptValues(), next, untilMs: now().getTime() + ATTEMPT_MS };
    try {
      const location = await provider.authorizationUrl(attempt, `${publicUrl()}${CALLBACK_PATH}`);
      redirect(response, location, [attemptCookie(request, attempts.seal(attempt), ATTEMPT_MS / 1000)]);
    } catch (error) {
      log.error(
        { why: wordsOf(error) },
        "the OpenID Connect provider cannot be reached; check HIL_OIDC_ISSUER",
      );
      fail(request, response, "provider-unreachable", next);
    }
  }

  async function finish(request: HttpRequest, response: HttpResponse, url: URL): Promise<void> {
    const address = callerAddress(request);
    if (limit.retryAfterMs(address) > 0) return fail(request, response, "too-many");
    const attempt = attempts.take(cookieOf(request.headers.cookie, ATTEMPT_COOKIE));
    if (!attempt) {
      limit.take(address);
      return fail(request, response, "attempt-over");
    }
    let person: OidcPerson;
    try {
      person = await provider.personOf(url, attempt);
    } catch (error) {
      limit.take(address);
      log.warn({ address, why: wordsOf(error) }, "a sign-in by OpenID Connect was refused");
      return fail(request, response, problemOf(error), attempt.next);
    }
    try {
      const { secret, expireTime } = await access.startConsoleSession({
        proof: { case: "oidc", value: person },
      });
      const maxAgeS = Math.max(0, Math.floor((timestampMs(expireTime!) - now().getTime()) / 1000));
      await endOldSession(request);
      redirect(response, attempt.next, [
        consoleCookie(secret, { maxAgeS, isHttps: isHttps(request) }),
        attemptCookie(request, "", 0),
      ]);
    } catch (error) {
      limit.take(address);
      fail(request, response, memberProblemOf(error), attempt.next);
    }
  }

  async function endOldSession(request: HttpRequest): Promise<void> {
    const secret = consoleSessionOf(request.headers.cookie);
    if (!secret) return;
    try {
      await access.endConsoleSession({ secret });
    } catch (error) {
      // The person is signed in all the same; the old session ends by its own time.
      log.warn({ err: error }, "an earlier console session could not be ended");
    }
  }

  function memberProblemOf(error: unknown): OidcProblem {
    switch (reasonOf(error)) {
      case ErrorReason.CREDENTIAL_INVALID:
        return "no-member";
      case ErrorReason.TENANT_SUSPENDED:
        return "suspended";
      default:
        log.error({ err: error }, "a sign-in by OpenID Connect failed");
        return "failed";
    }
  }

  function fail(request: HttpRequest, response: HttpResponse, problem: OidcProblem, next = "/inbox"): void {
    const query = new URLSearchParams({ problem, ...(next === "/inbox" ? {} : { next }) });
    redirect(response, `/login?${query}`, [attemptCookie(request, "", 0)]);
  }

  function attemptCookie(request: HttpRequest, value: string, maxAgeS: number): string {
    const secure = isHttps(request) ? "; Secure" : "";
    // Lax: the provider leads back from another site.
    return `${ATTEMPT_COOKIE}=${value}; Path=${START_PATH}; Max-Age=${maxAgeS}; HttpOnly; SameSite=Lax${secure}`;
  }
}

function redirect(response: HttpResponse, location: string, cookies: readonly string[] = []): void {
  response.writeHead(302, {
    ...PAGE_HEADERS,
    // The address that leads here carries a code.
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    location,
    ...(cookies.length > 0 ? { "set-cookie": [...cookies] } : {}),
  });
  response.end();
}

/** A path of ours, or the inbox; the same rule as the console's. */
function returnPath(wanted: string | null): string {
  return wanted !== null && /^\/(inbox|settings|s\/)[\x21-\x5b\x5d-\x7e]{0,500}$/.test(wanted)
    ? wanted
    : "/inbox";
}

function cookieOf(cookies: string | undefined, name: string): string {
  const found = cookies?.split(";").find((each) => each.trim().startsWith(`${name}=`));
  return found?.trim().slice(name.length + 1) ?? "";
}

function problemOf(error: unknown): OidcProblem {
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (code === "OAUTH_AUTHORIZATION_RESPONSE_ERROR") return "provider-refused";
  const cause = (error as { cause?: { name?: unknown } }).cause;
  const isSilent = code === "OAUTH_TIMEOUT" || name === "TimeoutError" || cause?.name === "TimeoutError";
  return isSilent || (error instanceof TypeError && code === undefined)
    ? "provider-unreachable"
    : "not-verified";
}

/** The library's errors carry answers and claims as their cause; only their own words go to the log. */
function wordsOf(error: unknown): string {
  const { code, message, error: said } = error as { code?: unknown; message?: unknown; error?: unknown };
  return [code, message, said]
    .filter((each) => typeof each === "string")
    .join(": ")
    .slice(0, 300);
}
