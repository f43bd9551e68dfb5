import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import type { Call } from "./route-table.ts";

/**
 * The headers to call services with for a caller that says which tenant it believes to be of: `claimed` in the body,
 * tenant_id in the query, or the header hil-tenant. A claim gives nothing; a key of another tenant is refused with
 * TENANT_MISMATCH, so that a wrong set-up is found before anything goes to the wrong place.
 */
export function tenantHeaders(call: Call, claimed?: string | null): Record<string, string> {
  const header = call.headers[TENANT_HEADER];
  const claim = claimed || call.query.get("tenant_id") || (typeof header === "string" ? header : "");
  if (claim === "") return call.credential;
  // What cannot stand in a header can be no tenant's id either; encoded, it stays another one.
  return { ...call.credential, [TENANT_HEADER]: encodeURIComponent(claim.toWellFormed().slice(0, 200)) };
}
