// Who is let in at a listener, by the headers alone.
//
// E1. An RPC whose caller may not call it, or calls too often, is refused before its request is read.
// E2. Wrong credentials are counted by client address, whichever face they are shown to, and guessing is refused early;
//     see limits/failed-credentials.ts. A trusted proxy's word is taken for the address, nobody else's.
// E3. Who is refused and calls again at once is answered late; see limits/slow-refusals.ts. A flood of calls that are
//     refused costs little then, and slows nobody else down.
// E4. Connections that never brought a right credential are bounded. Beyond the bound the oldest of them is cut, so a
//     crowd of them keeps nobody out: a caller with a key has shown it long before its turn comes.
// E5. Behind the gateway of the distributed form, E2 to E4 are the gateway's: there many callers come on one connection
//     from one address, and none may spoil it for the others.

import type { IncomingHttpHeaders } from "node:http";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { consoleSessionOf } from "../auth/credential-headers.ts";
import type { Principal } from "../auth/principal.ts";
import { reasonOf } from "../errors/hil-error.ts";
import { createFailedCredentials } from "../limits/failed-credentials.ts";
import { refusedTenant } from "../limits/rate-limits.ts";
import { createSlowRefusals } from "../limits/slow-refusals.ts";
import type { CallHeaders, Method } from "../rpc/service.ts";
import { clientAddress, limitedAddress, type TrustedProxies } from "./client-address.ts";

/** Connections without a right credential at a time. */
export const MAX_STRANGERS = 1_000;

/** The other end of one connection. */
export interface Peer {
  readonly remote: string;
  readonly cut: () => void;
  /** The credential that it showed last, where that was right. */
  lastRight: string | undefined;
  /** Runs when it shows a right credential for the first time. */
  recognised: (() => void) | undefined;
}

/** Stands for a connection that is not known any more: one that ends while its request is looked at. */
export const NOBODY: Peer = { remote: "", cut() {}, lastRight: undefined, recognised: undefined };

export interface Entrance {
  /** Notes a connection. `cut` ends it at once. */
  connected(remote: string, cut: () => void): Peer;
  disconnected(peer: Peer): void;
  /** By what the caller is known in limits. */
  addressOf(headers: CallHeaders, peer: Peer): string;
  /** Lets a call in and tells whose it is. Throws or rejects with why not. */
  admit(method: Method, headers: CallHeaders, peer: Peer): Principal | undefined | Promise<Principal>;
  /**
   * Resolves when a caller may be told that it is refused. Where that is never, its connection is cut, and the promise
   * stays as it is.
   */
  refusing(error: unknown, headers: CallHeaders, peer: Peer): Promise<void> | undefined;
  /** Throws RATE_LIMITED where a credential must not be verified now. Every face of HTTP asks first. */
  check(credential: string, headers: CallHeaders, peer: Peer): void;
  /** Notes what became of a credential that `check` let through. */
  settled(credential: string, headers: CallHeaders, peer: Peer, wasRight: boolean): void;
}

export function createEntrance({
  proxies,
  now,
  isInner = false,
}: {
  proxies: TrustedProxies;
  now: () => Date;
  isInner?: boolean;
}): Entrance {
  const failures = createFailedCredentials({ now });
  const slowRefusals = createSlowRefusals({ now });
  const strangers = new Set<Peer>();
  const addressOf = (headers: CallHeaders, peer: Peer) =>
    limitedAddress(clientAddress(peer.remote, headers.get("x-forwarded-for") ?? undefined, proxies));

  const check = (credential: string, headers: CallHeaders, peer: Peer): void => {
    if (!isInner) failures.check(addressOf(headers, peer), credential);
  };
  const settled = (credential: string, headers: CallHeaders, peer: Peer, wasRight: boolean): void => {
    if (!wasRight) {
      if (!isInner) failures.failed(addressOf(headers, peer), credential);
      if (peer.lastRight === credential) peer.lastRight = undefined; // it was revoked
      return;
    }
    if (peer.lastRight === credential) return;
    if (peer === NOBODY) return;
    peer.lastRight = credential;
    failures.succeeded(credential);
    if (strangers.delete(peer)) peer.recognised?.();
  };
  const refusing = (error: unknown, headers: CallHeaders, peer: Peer): Promise<void> | undefined => {
    if (isInner) return undefined;
    const reason = reasonOf(error);
    if (reason !== ErrorReason.RATE_LIMITED && reason !== ErrorReason.CREDENTIAL_INVALID) return undefined;
    const tenantId = refusedTenant(error);
    const held = slowRefusals.hold(
      tenantId === undefined ? `address ${addressOf(headers, peer)}` : `tenant ${tenantId}`,
    );
    if (held !== "never") return held;
    // Others may call on the same connection of a proxy.
    if (proxies.trusts(peer.remote)) return undefined;
    peer.cut();
    return new Promise(() => {});
  };
  return {
    addressOf,
    refusing,
    check,
    settled,
    connected(remote, cut) {
      const peer: Peer = { remote, cut, lastRight: undefined, recognised: undefined };
      strangers.add(peer);
      if (strangers.size > MAX_STRANGERS && !isInner) {
        const [oldest] = strangers;
        strangers.delete(oldest!);
        oldest!.cut();
      }
      return peer;
    },
    disconnected(peer) {
      strangers.delete(peer);
    },
    admit(method, headers, peer) {
      const credential = shownCredential(headers);
      const refuse = (error: unknown): Promise<never> => {
        if (credential !== undefined && isWrong(error)) settled(credential, headers, peer, false);
        const late = refusing(error, headers, peer);
        if (!late) throw error;
        return late.then(() => {
          throw error;
        });
      };
      const letIn = (principal: Principal): Principal => {
        if (credential !== undefined) settled(credential, headers, peer, true);
        return principal;
      };
      try {
        if (credential !== undefined && credential !== peer.lastRight) check(credential, headers, peer);
        const principal = method.admit?.(headers);
        if (principal instanceof Promise) return principal.then(letIn, refuse);
        return principal && letIn(principal);
      } catch (error) {
        return refuse(error);
      }
    },
  };
}

/** What a caller showed in its headers, as it came; undefined where it showed nothing. */
export function shownCredential(headers: CallHeaders): string | undefined {
  return headers.get("authorization") ?? consoleSessionOf(headers.get("cookie"));
}

/** The headers of a request of Node's, as services read them. */
export function callHeaders(headers: IncomingHttpHeaders): CallHeaders {
  return {
    get(name) {
      const value = headers[name];
      return Array.isArray(value) ? value.join(", ") : (value ?? null);
    },
  };
}

function isWrong(error: unknown): boolean {
  return reasonOf(error) === ErrorReason.CREDENTIAL_INVALID;
}
