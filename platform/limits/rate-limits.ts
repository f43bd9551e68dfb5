// How many calls a tenant and each of its credentials may make.
//
// T1. A tenant's policy says how many calls in a second; a burst may use up ten seconds of it. What is beyond is refused
//     with RATE_LIMITED before its request is read.
// T2. A refused call takes nothing of any share.
// T3. Services of the deployment are not counted; whoever they work for was counted when it called.
// T4. Nobody waits for a policy. While it is loaded again the last one known holds; before the first is there, none does.
//
// The count is this process's own: where several replicas serve, each lets through what the policy says.

import { Code } from "@connectrpc/connect";
import type { Tenant } from "@hil/gen/hil/access/v1/access_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { Principal } from "../auth/principal.ts";
import type { TenantDirectory } from "../auth/tenant-directory.ts";
import { hilError } from "../errors/hil-error.ts";
import { refusedByLimit } from "../telemetry/metrics.ts";
import { type Rate, TokenBuckets } from "./token-buckets.ts";

const BURST_SECONDS = 10;
/** Credentials of one tenant that are told apart at a time. */
const MAX_CREDENTIALS = 10_000;

export interface RateLimits {
  /** Counts one call. Throws RATE_LIMITED where it is one too many. */
  admit(principal: Principal): void;
  /** Throws RATE_LIMITED where a call would be refused now. Counts nothing. */
  check(principal: Principal): void;
}

const refusedTenants = new WeakMap<object, string>();

/** The tenant that a RATE_LIMITED of ours is about, which the error itself does not name; undefined for other errors. */
export function refusedTenant(error: unknown): string | undefined {
  return typeof error === "object" && error !== null ? refusedTenants.get(error) : undefined;
}

/** For where nothing is limited. */
export const noRateLimits: RateLimits = { admit() {}, check() {} };

/** What one tenant's policy says, and what was used up of it. */
interface Share {
  /** Whose policy the rates are of; compared by identity, so that an unchanged one is not read again. */
  source: Tenant | undefined;
  /** Unset: no limit. */
  ofTenant: Rate | undefined;
  ofCredential: Rate | undefined;
  readonly tenant: TokenBuckets;
  readonly credentials: TokenBuckets;
}

/** Makes what all services of a process count with. */
export function createRateLimits({
  tenants,
  now,
}: {
  readonly tenants: TenantDirectory;
  readonly now: () => Date;
}): RateLimits {
  // One for each tenant that calls; only tenants that there are have principals.
  const shares = new Map<string, Share>();

  const shareOf = (tenantId: string): Share => {
    let share = shares.get(tenantId);
    if (!share) {
      share = {
        source: undefined,
        ofTenant: undefined,
        ofCredential: undefined,
        tenant: new TokenBuckets(1_000),
        credentials: new TokenBuckets(MAX_CREDENTIALS),
      };
      shares.set(tenantId, share);
    }
    const found = tenants.get(tenantId);
    if (found === share.source) return share;
    if (found instanceof Promise) {
      const loading = share;
      found.then(
        (tenant) => read(loading, tenant),
        () => {}, // who needs the policy itself hears of it
      );
    } else {
      read(share, found);
    }
    return share;
  };

  const count = (principal: Principal, isCall: boolean): void => {
    if (principal.kind === "service") return;
    const { ofTenant, ofCredential, tenant, credentials } = shareOf(principal.tenantId);
    if (!ofTenant && !ofCredential) return;
    const nowMs = now().getTime();
    const credential = credentialOf(principal);
    if (ofCredential) {
      const waitMs = credentials.waitMs(credential, ofCredential, nowMs);
      if (waitMs > 0) throw refusal(principal, "calls_per_second_per_key", ofCredential, waitMs);
    }
    if (ofTenant) {
      const waitMs = isCall ? tenant.take("", ofTenant, nowMs) : tenant.waitMs("", ofTenant, nowMs);
      if (waitMs > 0) throw refusal(principal, "calls_per_second", ofTenant, waitMs);
    }
    if (ofCredential && isCall) credentials.take(credential, ofCredential, nowMs);
  };
  return {
    admit: (principal) => count(principal, true),
    check: (principal) => count(principal, false),
  };
}

function read(share: Share, tenant: Tenant): void {
  const limits = tenant.policy?.limits;
  share.source = tenant;
  share.ofTenant = rateOf(limits?.callsPerSecond);
  share.ofCredential = rateOf(limits?.callsPerSecondPerKey);
}

function rateOf(callsPerSecond = 0): Rate | undefined {
  if (callsPerSecond === 0) return undefined;
  return { burst: callsPerSecond * BURST_SECONDS, windowMs: BURST_SECONDS * 1000 };
}

/** Two keys of the same member are two credentials; two console sessions of it are one. */
function credentialOf({ kind, id, keyId }: Principal): string {
  return `${kind} ${keyId ?? id}`;
}

function refusal({ tenantId }: Principal, limit: string, { burst }: Rate, retryAfterMs: number) {
  refusedByLimit.inc({ limit });
  const whose = limit === "calls_per_second" ? "this tenant" : "this credential";
  const error = hilError(
    Code.ResourceExhausted,
    ErrorReason.RATE_LIMITED,
    `${whose} may make ${burst / BURST_SECONDS} calls in a second, and has made more; try again in ${retryAfterMs} ms`,
    { limit, retry_after_ms: String(retryAfterMs) },
  );
  refusedTenants.set(error, tenantId);
  return error;
}
