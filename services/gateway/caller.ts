// Who calls, and with what the services are called for it.
//
// K1. A key that is shown is right or refused, but at health; a wrong one never falls back to calling without.
// K2. A key in the path leaves the request before anything else reads it: no log, no answer, no error has it.
// K3. A call without a key is let through only where the deployment allows it, only on the endpoints that say
//     so, and only when it was not forwarded from another machine.

import type { IncomingHttpHeaders } from "node:http";
import { Code, type ConnectError } from "@connectrpc/connect";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { bearerOf, consoleSessionCookieOf } from "@hil/platform/auth/credential-headers.ts";
import type { Principal } from "@hil/platform/auth/principal.ts";
import { publicError } from "@hil/platform/errors/hil-error.ts";
import { wasForwarded } from "@hil/platform/http/forwarded.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";

/** Who calls. `headers` are what the services are shown, so that they decide. */
export type Caller =
  | { readonly kind: "key"; readonly principal: Principal; readonly headers: Record<string, string> }
  | { readonly kind: "console"; readonly principal: Principal; readonly headers: Record<string, string> }
  | { readonly kind: "keyless"; readonly headers: Record<string, string> }
  | { readonly kind: "wrong-key" }
  /** The credential is known, or cannot be looked at now: its tenant is suspended, or is not the one that was named. */
  | { readonly kind: "refused"; readonly error: ConnectError }
  | { readonly kind: "nobody" };

/** A path without the key that stood before it. */
export interface KeyedPath {
  readonly key: string | undefined;
  /** Starts with "/"; with the query, if there is one. */
  readonly rest: string;
}

/** Takes `/k/{key}` off a request's target. A key that cannot be decoded is kept as it came; it will be wrong. */
export function splitKey(target: string): KeyedPath {
  const match = /^\/k\/([^/?#]*)(.*)$/s.exec(target);
  if (!match) return { key: undefined, rest: target };
  const rest = match[2]!;
  return { key: decoded(match[1]!), rest: rest.startsWith("/") ? rest : `/${rest}` };
}

/** Tells who calls. `pathKey` wins over the headers: it is what the client was set up with. */
export async function callerOf(
  headers: IncomingHttpHeaders,
  pathKey: string | undefined,
  {
    authenticate,
    keylessKey,
  }: {
    readonly authenticate: Authenticate;
    /** Stands for callers without a key. Unset: they are refused. */
    readonly keylessKey: string | undefined;
  },
): Promise<Caller> {
  const get = (name: string) => headers[name]?.toString() ?? null;
  const tenant = get(TENANT_HEADER);
  const claim: Record<string, string> = tenant === null ? {} : { [TENANT_HEADER]: tenant };
  const key = pathKey ?? bearerOf({ get });
  if (key !== undefined) {
    const shown = { authorization: `Bearer ${key}`, ...claim };
    const found = await principalOf(authenticate, shown);
    return found.kind === "known" ? { kind: "key", principal: found.principal, headers: shown } : found;
  }
  const cookie = consoleSessionCookieOf({ get });
  if (cookie !== null) {
    const shown = { cookie, ...claim };
    const found = await principalOf(authenticate, shown);
    if (found.kind === "known") return { kind: "console", principal: found.principal, headers: shown };
    if (found.kind === "refused") return found;
    // A console session that is over: as if there were no cookie.
  }
  if (keylessKey !== undefined && !wasForwarded(headers)) {
    return { kind: "keyless", headers: { authorization: `Bearer ${keylessKey}` } };
  }
  return { kind: "nobody" };
}

async function principalOf(
  authenticate: Authenticate,
  shown: Record<string, string>,
): Promise<
  | { readonly kind: "known"; readonly principal: Principal }
  | Extract<Caller, { kind: "wrong-key" | "refused" }>
> {
  try {
    return { kind: "known", principal: await authenticate({ get: (name) => shown[name] ?? null }) };
  } catch (caught) {
    const error = publicError(caught);
    return error.code === Code.Unauthenticated ? { kind: "wrong-key" } : { kind: "refused", error };
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
