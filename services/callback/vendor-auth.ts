import type { IncomingHttpHeaders } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import { bearerOf } from "@hil/platform/auth/credential-headers.ts";
import { DEFAULT_TENANT, hasRole, hasScope, type Principal } from "@hil/platform/auth/principal.ts";
import { isSameSecret } from "@hil/platform/auth/same-secret.ts";
import { wasForwarded } from "@hil/platform/http/forwarded.ts";
import type { Authenticate, CallHeaders } from "@hil/platform/rpc/service.ts";
import { DEPLOYMENT_ROBOT } from "./channels.ts";
import { type CallbackConfig, DEFAULT_AUTH_HEADER } from "./config.ts";

export interface VendorAuthSettings extends Pick<CallbackConfig, "authHeader"> {
  /** Serve vendors that show nothing, where no header is set up. For loopback only. */
  readonly allowKeyless: boolean;
}

export interface VendorCall {
  readonly headers: IncomingHttpHeaders;
  /** Who calls, where a key in the path was verified already. */
  readonly principal: Principal | undefined;
  /** The channel that the address names. */
  readonly channelId: string;
  readonly authenticate: Authenticate;
  readonly settings: VendorAuthSettings;
}

/** Whether a vendor's call is taken, and whose it is. */
export type Admission =
  | { readonly kind: "admitted"; readonly tenantId: string }
  | { readonly kind: "refused"; readonly status: 401 | 403 | 429 | 503; readonly reason: string };

/** What a key needs for a tenant's own channel. It must name it: then it was made for a robot. */
const SCOPE = "inbound.write";

const DEPLOYMENT_NEEDS =
  "this server takes callbacks only with a credential; set CALLBACK_AUTH_VALUE (and CALLBACK_AUTH_KEY for another header than x-api-key) and let the vendor send it, or use an address with an owner's key: /k/KEY/api/callback";
const CHANNEL_NEEDS = `a tenant's channel takes callbacks only with a key of that tenant that was made for it: role operator or administrator, narrowed to the scope ${SCOPE}; use the address /k/KEY/api/callback/CHANNEL, or let the vendor send the key as x-api-key`;

/**
 * Decides by the headers alone.
 *
 * The deployment's robot: where a header is set up, it must be right, whatever else is shown; it may come under its own
 * name or as x-api-key. Where none is, an owner's key will do: one that may only ask must not be able to answer itself.
 *
 * A tenant's own channel: a key of the tenant, as above. The console's cookie is never looked at: any page could send it.
 */
export async function admitVendor(call: VendorCall): Promise<Admission> {
  return call.channelId === DEPLOYMENT_ROBOT ? admitToDeployment(call) : admitToChannel(call);
}

async function admitToDeployment(call: VendorCall): Promise<Admission> {
  const { authHeader, allowKeyless } = call.settings;
  const admitted: Admission = { kind: "admitted", tenantId: DEFAULT_TENANT };
  if (authHeader) {
    const names = [authHeader.name.toLowerCase(), DEFAULT_AUTH_HEADER];
    const right = names.map((name) => isSameSecret(call.headers[name], authHeader.value)).includes(true);
    return right
      ? admitted
      : refused(
          401,
          `the ${authHeader.name} header is missing or wrong; send the value of CALLBACK_AUTH_VALUE in it`,
        );
  }
  const caller = await callerOf(call, bearerOf(plainHeaders(call.headers)));
  if (caller.kind === "refused") return caller;
  if (caller.kind === "known" && hasRole(caller.principal, Role.OWNER, Role.SERVICE)) return admitted;
  // A wrong key is no reason to be let in without one.
  if (caller.kind === "nobody" && allowKeyless && !wasForwarded(call.headers)) return admitted;
  return refused(401, DEPLOYMENT_NEEDS);
}

async function admitToChannel(call: VendorCall): Promise<Admission> {
  const headers = plainHeaders(call.headers);
  const caller = await callerOf(call, bearerOf(headers) ?? headers.get(DEFAULT_AUTH_HEADER) ?? undefined);
  if (caller.kind === "refused") return caller;
  if (caller.kind === "nobody") return refused(401, CHANNEL_NEEDS);
  const { principal } = caller;
  const isMadeForIt =
    hasRole(principal, Role.ADMINISTRATOR, Role.OPERATOR) &&
    principal.scopes !== undefined &&
    hasScope(principal, SCOPE);
  if (isMadeForIt || hasRole(principal, Role.OWNER))
    return { kind: "admitted", tenantId: principal.tenantId };
  return refused(403, CHANNEL_NEEDS);
}

type Caller =
  | { readonly kind: "known"; readonly principal: Principal }
  | { readonly kind: "nobody" }
  | Extract<Admission, { kind: "refused" }>;

async function callerOf({ headers, principal, authenticate }: VendorCall, key?: string): Promise<Caller> {
  if (principal) return { kind: "known", principal };
  if (key === undefined) return { kind: "nobody" };
  const shown: Record<string, string | null> = {
    authorization: `Bearer ${key}`,
    [TENANT_HEADER]: plainHeaders(headers).get(TENANT_HEADER),
  };
  try {
    return { kind: "known", principal: await authenticate({ get: (name) => shown[name] ?? null }) };
  } catch (caught) {
    const error = ConnectError.from(caught);
    return refused(statusOf(error.code), error.rawMessage);
  }
}

function statusOf(code: Code): 401 | 403 | 429 | 503 {
  switch (code) {
    case Code.Unauthenticated:
      return 401;
    case Code.PermissionDenied:
      return 403;
    case Code.ResourceExhausted:
      return 429;
    default: // whether the key is right cannot be told now: the vendor sends it again
      return 503;
  }
}

function plainHeaders(headers: IncomingHttpHeaders): CallHeaders {
  return { get: (name) => headers[name]?.toString() ?? null };
}

function refused(status: 401 | 403 | 429 | 503, reason: string): Extract<Admission, { kind: "refused" }> {
  return { kind: "refused", status, reason };
}
