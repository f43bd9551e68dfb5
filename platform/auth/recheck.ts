// Calls that go on for longer than a credential is remembered: waits and streams.
//
// R1. Their credential is looked at again every 0.8 s, as a new call's would be, and so asked of the access service every
//     4 s at most. A call whose credential works no more, or may no longer make it, ends with that as its error: within
//     5 s of the revocation (S6).
// R2. Where the access service cannot be asked, calls under way go on; new ones are refused meanwhile.
// R3. Calls of the same credential are looked at together, so that ten thousand waits of one agent cost one look.

import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "../errors/hil-error.ts";
import type { Authenticate, CallHeaders } from "../rpc/service.ts";
import { TENANT_HEADER } from "./authenticator.ts";
import { consoleSessionCookieOf } from "./credential-headers.ts";
import type { Principal } from "./principal.ts";

export const RECHECK_INTERVAL_MS = 800;

/** A call under way. */
export interface FollowedCall {
  /** Who made it. */
  readonly principal: Principal;
  /** Throws where this principal may not make the call. */
  readonly check: (principal: Principal) => void;
  /** Ends it. Called at most once. */
  readonly end: (error: unknown) => void;
}

interface Group {
  readonly headers: CallHeaders;
  readonly calls: Set<FollowedCall>;
  asking: boolean;
}

export class Recheck {
  readonly #authenticate: Authenticate;
  readonly #groups = new Map<string, Group>();
  #timer: NodeJS.Timeout | undefined;

  constructor(authenticate: Authenticate) {
    this.#authenticate = authenticate;
  }

  /** Follows a call until what is returned is called. */
  follow(headers: CallHeaders, call: FollowedCall): () => void {
    const key = `${headers.get("authorization")}\n${consoleSessionCookieOf(headers)}\n${headers.get(TENANT_HEADER)}`;
    let group = this.#groups.get(key);
    if (!group) {
      group = { headers: credentialHeaders(headers), calls: new Set(), asking: false };
      this.#groups.set(key, group);
      this.#timer ??= setInterval(() => this.#lookAll(), RECHECK_INTERVAL_MS).unref();
    }
    const { calls } = group;
    calls.add(call);
    return () => {
      calls.delete(call);
      if (calls.size === 0 && this.#groups.get(key)?.calls === calls) this.#forget(key);
    };
  }

  #forget(key: string): void {
    this.#groups.delete(key);
    if (this.#groups.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #lookAll(): void {
    for (const [key, group] of this.#groups) {
      if (group.calls.size === 0) this.#forget(key);
      else if (!group.asking) this.#look(group);
    }
  }

  #look(group: Group): void {
    try {
      const principal = this.#authenticate(group.headers);
      if (!(principal instanceof Promise)) {
        check(group, principal);
        return;
      }
      group.asking = true;
      principal
        .then(
          (each) => check(group, each),
          (error: unknown) => refuse(group, error),
        )
        .finally(() => {
          group.asking = false;
        });
    } catch (error) {
      refuse(group, error);
    }
  }
}

/** What of a call's headers says who calls, kept for later. */
export function credentialHeaders(headers: CallHeaders): CallHeaders {
  const kept = new Map([
    ["authorization", headers.get("authorization")],
    ["cookie", consoleSessionCookieOf(headers)],
    [TENANT_HEADER, headers.get(TENANT_HEADER)],
  ]);
  return { get: (name) => kept.get(name) ?? null };
}

function check(group: Group, principal: Principal): void {
  for (const call of group.calls) {
    try {
      call.check(principal);
      if (!hasSameRights(call.principal, principal)) throw rightsChanged();
    } catch (error) {
      end(group, call, error);
    }
  }
}

/** Takes the call out first: one that does not end at once must not be ended again at the next look. */
function end(group: Group, call: FollowedCall, error: unknown): void {
  group.calls.delete(call);
  call.end(error);
}

function hasSameRights(one: Principal, other: Principal): boolean {
  const rights = ({ id, tenantId, roles, scopes }: Principal) =>
    JSON.stringify([id, tenantId, roles, scopes]);
  return one === other || rights(one) === rights(other);
}

function rightsChanged() {
  return hilError(
    Code.Unavailable,
    ErrorReason.NOT_READY,
    "what this credential may do has changed; call again",
    { retry_after_ms: "100" },
  );
}

function refuse(group: Group, error: unknown): void {
  const { code } = ConnectError.from(error);
  if (code !== Code.Unauthenticated && code !== Code.PermissionDenied) return; // R2
  for (const call of group.calls) end(group, call, error);
}
