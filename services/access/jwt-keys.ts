// The keys of a token issuer.
//
// The operator named the issuer, so its addresses are not a tenant's choice and need no egress guard. Whoever sends
// tokens decides only when keys are asked for, so that is bounded: after an answer there is none for 30 s, whatever
// keys the tokens name, and after a failure none for 10 s.

import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from "jose";
import { isFetched, type JwtConfig } from "./jwt-config.ts";

const COOL_DOWN_MS = 30_000;
const FAILURE_PAUSE_MS = 10_000;
/** How long a key that the issuer took back may still count. */
const MAX_AGE_MS = 300_000;
const PATIENCE_MS = 5_000;
const MOST_BYTES = 1024 * 1024;

/** The issuer's keys could not be read: not the caller's fault. */
export class IssuerUnavailableError extends Error {
  override readonly name = "IssuerUnavailableError";
}

export function createIssuerKeys(
  { issuer, jwksUrl }: Pick<JwtConfig, "issuer" | "jwksUrl">,
  { now, fetch = globalThis.fetch }: { now: () => Date; fetch?: typeof globalThis.fetch },
): JWTVerifyGetKey {
  let pausedUntilMs = 0;
  const get = async (url: string, isRight: (document: unknown) => boolean): Promise<unknown> => {
    if (now().getTime() < pausedUntilMs) {
      throw new IssuerUnavailableError("the issuer did not answer rightly a moment ago");
    }
    try {
      const response = await fetch(url, {
        redirect: "error",
        credentials: "omit",
        headers: { accept: "application/json" },
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
      const document: unknown = JSON.parse(await boundedText(response));
      if (!isRight(document)) throw new Error("the document is not what it should be");
      return document;
    } catch (error) {
      pausedUntilMs = now().getTime() + FAILURE_PAUSE_MS;
      throw new IssuerUnavailableError(`${url} could not be read`, { cause: error });
    }
  };
  let keys: Promise<JWTVerifyGetKey> | undefined;
  const open = async (): Promise<JWTVerifyGetKey> => {
    const address = jwksUrl ?? (await discover(issuer, get));
    return createRemoteJWKSet(new URL(address), {
      cooldownDuration: COOL_DOWN_MS,
      cacheMaxAge: MAX_AGE_MS,
      timeoutDuration: PATIENCE_MS,
      [customFetch]: async (url) => Response.json(await get(url, isKeySet)),
    });
  };
  return async (header, token) => {
    keys ??= open();
    const opening = keys;
    // Not remembered when it failed: the issuer may be back the next time.
    opening.catch(() => {
      if (keys === opening) keys = undefined;
    });
    return (await opening)(header, token);
  };
}

/** The address of the issuer's keys. The document must be of the same issuer and keep to https. */
async function discover(
  issuer: string,
  get: (url: string, isRight: (document: unknown) => boolean) => Promise<unknown>,
): Promise<string> {
  const url = `${issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`;
  const document = (await get(url, (each) => {
    const { issuer: named, jwks_uri: address } = (each ?? {}) as Record<string, unknown>;
    return named === issuer && typeof address === "string" && isFetched(address);
  })) as { jwks_uri: string };
  return document.jwks_uri;
}

function isKeySet(document: unknown): boolean {
  const { keys } = (document ?? {}) as { keys?: unknown };
  return (
    Array.isArray(keys) && keys.every((key) => typeof key === "object" && key !== null && !Array.isArray(key))
  );
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error(`more than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
