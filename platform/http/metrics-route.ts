// The address that Prometheus asks: /metrics.
//
// Figures tell how busy a deployment is, so they are for those who run it: the owner, operators and auditors of the
// tenant _default, the deployment's own services. On the machine itself no key is needed, where none is anywhere else.

import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { DEFAULT_TENANT, hasRole, hasScope, type Principal } from "../auth/principal.ts";
import { publicError } from "../errors/hil-error.ts";
import { errorAnswer } from "../rpc/error-answer.ts";
import type { Authenticate } from "../rpc/service.ts";
import { readMetrics } from "../telemetry/metrics.ts";
import { callHeaders, shownCredential } from "./entrance.ts";
import { credentialJudged } from "./fallback-gate.ts";
import { wasForwarded } from "./forwarded.ts";
import type { HttpHandler, HttpRequest, HttpResponse } from "./listener.ts";
import { isLoopback } from "./loopback.ts";

/** What a key that is narrowed by scopes needs. */
const SCOPE = "metrics.read";
const READERS = [Role.OWNER, Role.OPERATOR, Role.AUDITOR];

export interface MetricsRouteOptions {
  readonly authenticate: Authenticate;
  /** Whether callers on this machine may ask without a key. */
  readonly allowKeyless: boolean;
}

/** Puts the address in front of a handler. */
export function withMetrics(handler: HttpHandler, options: MetricsRouteOptions): HttpHandler {
  return async (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0];
    if (path !== "/metrics" || (request.method !== "GET" && request.method !== "HEAD")) {
      await handler(request, response);
      return;
    }
    const refused = await refusalOf(request, options);
    if (refused) {
      send(response, refused.status, "application/json", JSON.stringify({ error: refused.sentence }));
      return;
    }
    const { contentType, text } = await readMetrics();
    send(response, 200, contentType, text);
  };
}

/** Why a caller is not told. Undefined: it is. */
async function refusalOf(
  request: HttpRequest,
  { authenticate, allowKeyless }: MetricsRouteOptions,
): Promise<{ status: number; sentence: string } | undefined> {
  const headers = callHeaders(request.headers);
  if (shownCredential(headers) === undefined) {
    const isOwnMachine =
      isLoopback(unmapped(request.socket?.remoteAddress)) && !wasForwarded(request.headers);
    if (allowKeyless && isOwnMachine) return undefined;
    return {
      status: 401,
      sentence:
        "metrics need a key: send Authorization: Bearer with one of an operator or auditor of _default",
    };
  }
  let principal: Principal;
  try {
    principal = await authenticate(headers);
  } catch (thrown) {
    const error = publicError(thrown);
    const { status } = errorAnswer("application/json", error);
    if (status === 401) credentialJudged(request, false);
    return { status, sentence: error.rawMessage };
  }
  credentialJudged(request, true);
  if (mayRead(principal)) return undefined;
  return {
    status: 403,
    sentence: "metrics are of the whole deployment; use a key of an operator or auditor of _default",
  };
}

function mayRead(principal: Principal): boolean {
  if (principal.kind === "service") return true;
  const { tenantId } = principal;
  return tenantId === DEFAULT_TENANT && hasRole(principal, ...READERS) && hasScope(principal, SCOPE);
}

/** An IPv4 address that came in IPv6 form, as itself. */
function unmapped(address = ""): string {
  return address.replace(/^::ffff:/i, "");
}

function send(response: HttpResponse, status: number, contentType: string, text: string): void {
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": String(Buffer.byteLength(text)),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(text);
}
