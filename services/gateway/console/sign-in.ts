// Signing in to the console and out of it.
//
// Only JSON is read, which another site's form cannot send, and the listener has checked the Origin. A key or token goes
// to the access service, is never logged, and leaves the browser's hands as an HttpOnly cookie. A sign-in always makes a
// new console session and ends the one that the browser had.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code } from "@connectrpc/connect";
import type { AccessService } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { consoleSessionOf } from "@hil/platform/auth/credential-headers.ts";
import { publicError, reasonName, reasonOf } from "@hil/platform/errors/hil-error.ts";
import { callerAddress } from "@hil/platform/http/fallback-gate.ts";
import type { HttpRequest } from "@hil/platform/http/listener.ts";
import { createKeyedLimit } from "@hil/platform/limits/keyed-limit.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { z } from "zod";
import { consoleCookie } from "./console-cookie.ts";

const MAX_BODY_BYTES = 4096;
/** Wrong keys and used links that one address may send in a minute. */
const MAX_FAILURES = 10;

const signInBody = z.union([
  z.strictObject({ token: z.string().min(1).max(500) }),
  z.strictObject({ key: z.string().min(1).max(500) }),
]);

/** What to answer: a status, and either a cookie or what is wrong. */
export interface SignInAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: { readonly code: string; readonly reason: string; readonly message: string };
}

export interface SignIn {
  signIn(request: HttpRequest): Promise<SignInAnswer>;
  signOut(request: HttpRequest): Promise<SignInAnswer>;
}

/** `isHttps` says whether the browser came by https; then the cookie never travels without. */
export function createSignIn({
  access,
  isHttps,
  log,
  now,
}: {
  /** As a service of the deployment. */
  access: Client<typeof AccessService>;
  isHttps: (request: HttpRequest) => boolean;
  log: Log;
  now: () => Date;
}): SignIn {
  const limit = createKeyedLimit({ points: MAX_FAILURES, windowMs: 60_000, now });

  const endSession = async (request: HttpRequest): Promise<void> => {
    const secret = consoleSessionOf(request.headers.cookie);
    if (secret) await access.endConsoleSession({ secret });
  };

  return {
    async signIn(request) {
      const address = callerAddress(request);
      const retryAfterMs = limit.retryAfterMs(address);
      if (retryAfterMs > 0) return tooManyFailures(Math.ceil(retryAfterMs / 1000));
      if (!isJson(request)) return notJson();
      const given = signInBody.safeParse(await readJson(request));
      if (!given.success) return unreadable();
      try {
        const { secret, expireTime } = await access.startConsoleSession({ proof: proofOf(given.data) });
        const maxAgeS = Math.max(0, Math.floor((timestampMs(expireTime!) - now().getTime()) / 1000));
        await endSession(request).catch((error: unknown) => {
          // The person is signed in all the same; the old session ends by its own time.
          log.warn({ err: error }, "an earlier console session could not be ended");
        });
        const cookie = consoleCookie(secret, { maxAgeS, isHttps: isHttps(request) });
        return { status: 204, headers: { "set-cookie": cookie } };
      } catch (caught) {
        const error = publicError(caught);
        if (error.code === Code.Unauthenticated) {
          limit.take(address);
          log.warn({ address }, "a sign-in to the console was refused");
          return refused("token" in given.data);
        }
        return failed(error);
      }
    },
    async signOut(request) {
      if (!isJson(request)) return notJson();
      try {
        await endSession(request);
      } catch (caught) {
        return failed(publicError(caught)); // the cookie is still good: it must not look as if it were not
      }
      const cookie = consoleCookie("", { maxAgeS: 0, isHttps: isHttps(request) });
      return { status: 204, headers: { "set-cookie": cookie } };
    },
  };
}

function proofOf(given: z.infer<typeof signInBody>) {
  return "token" in given
    ? { case: "signInToken" as const, value: given.token }
    : { case: "ownerKey" as const, value: given.key };
}

/** The access service cannot be asked, or knows the person and says no: a tenant is suspended. */
function failed(error: ReturnType<typeof publicError>): SignInAnswer {
  const status = error.code === Code.PermissionDenied ? 403 : 503;
  const code = error.code === Code.PermissionDenied ? "permission_denied" : "unavailable";
  return { status, body: { code, reason: reasonName(reasonOf(error)), message: error.rawMessage } };
}

function isJson(request: HttpRequest): boolean {
  return /^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "");
}

/** The body as JSON; undefined when it is too long or is not JSON. */
async function readJson(request: HttpRequest): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    return undefined; // not JSON: the caller says what would be
  }
}

function refused(wasToken: boolean): SignInAnswer {
  const message = wasToken
    ? "this sign-in link is not known or was used before; sign in with the owner key, or take a new link from the server"
    : "this is not the owner key; it was shown once, at the first start of the server";
  return { status: 401, body: { code: "unauthenticated", reason: "CREDENTIAL_INVALID", message } };
}

function tooManyFailures(retryAfterS: number): SignInAnswer {
  return {
    status: 429,
    headers: { "retry-after": String(retryAfterS) },
    body: {
      code: "resource_exhausted",
      reason: "OVERLOADED",
      message: `too many failed sign-ins from this address; try again in ${retryAfterS} s`,
    },
  };
}

function notJson(): SignInAnswer {
  return {
    status: 415,
    body: {
      code: "invalid_argument",
      reason: "INVALID_REQUEST",
      message: "send content-type: application/json",
    },
  };
}

function unreadable(): SignInAnswer {
  return {
    status: 400,
    body: {
      code: "invalid_argument",
      reason: "INVALID_REQUEST",
      message: `send {"token": "…"} or {"key": "…"} of at most ${MAX_BODY_BYTES} bytes`,
    },
  };
}
