// How MCP clients learn what a token must be, and why theirs is not taken: HIL as a resource server of OAuth 2.1.
//
// T1. A token comes in the Authorization header. In an address it would end up in logs and histories, so there it is
//     refused, right or wrong; only an API key may stand in a path, for clients that cannot send a header.
// T2. Who is not let in is told where the metadata of RFC 9728 are, and what to ask the issuer for. It all comes from the
//     configuration; the request's own Host decides nothing.
// T3. HIL is told tokens and tells them to nobody outside of the deployment: what it calls, it calls with keys of its own.

import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import type { Caller } from "./caller.ts";
import type { TokenIssuer } from "./config.ts";
import { refusal } from "./rest-error.ts";
import type { Answer, Route } from "./route-table.ts";

const WELL_KNOWN = "/.well-known/oauth-protected-resource";
const MCP_PATH = "/mcp";
const MAX_AGE_S = 300;

/** Names that clients give credentials in a query. */
const CREDENTIAL_NAMES = new Set([
  "access_token",
  "api_key",
  "api-key",
  "apikey",
  "authorization",
  "bearer",
  "hil_api_key",
  "id_token",
  "key",
  "token",
]);

/** Why a request is refused for where its credential stands (T1); undefined where it is not. */
export function misplacedCredential(query: URLSearchParams, pathKey: string | undefined): Answer | undefined {
  const name = [...query.keys()].find((each) => CREDENTIAL_NAMES.has(each.toLowerCase()));
  if (name !== undefined) {
    const sentence = `a credential in the query (${name.toLowerCase()}) is not taken: send Authorization: Bearer with it`;
    return refusal(400, sentence, "INVALID_REQUEST");
  }
  // No key of ours has dots in it.
  if (pathKey === undefined || pathKey.split(".").length !== 3) return undefined;
  return refusal(
    400,
    "a token is not taken from a path: send Authorization: Bearer with it",
    "INVALID_REQUEST",
  );
}

/** The documents of RFC 9728: of /mcp, and of all that is served. */
export function resourceMetadataRoutes({ issuer, scopes }: TokenIssuer, publicUrl: () => string): Route[] {
  return [MCP_PATH, ""].map((path) => ({
    method: "GET",
    pattern: `${WELL_KNOWN}${path}`,
    prefix: "either",
    access: "open",
    handle: () => ({
      status: 200,
      body: {
        resource: `${publicUrl()}${path}`,
        resource_name: "HIL",
        authorization_servers: [issuer],
        bearer_methods_supported: ["header"],
        ...(scopes.length > 0 ? { scopes_supported: scopes } : {}),
      },
      // Clients that run in a page read it too; it holds nothing secret.
      headers: { "cache-control": `public, max-age=${MAX_AGE_S}`, "access-control-allow-origin": "*" },
    }),
  }));
}

/** The refusal of an MCP client with the challenge that belongs to it (T2). Others stay as they are. */
export function withChallenge(
  answer: Answer,
  caller: Caller,
  { tokens, publicUrl }: { readonly tokens: TokenIssuer | undefined; readonly publicUrl: string },
): Answer {
  const error = challengeError(answer, caller);
  if (error === undefined) return answer;
  const parameters = [
    ...(error === "" ? [] : [`error="${error}"`]),
    ...(tokens ? [`resource_metadata="${publicUrl}${WELL_KNOWN}${MCP_PATH}"`] : []),
    ...(tokens && tokens.scopes.length > 0 ? [`scope="${tokens.scopes.join(" ")}"`] : []),
  ];
  const challenge = ["Bearer", parameters.join(", ")].filter(Boolean).join(" ");
  return { ...answer, headers: { ...answer.headers, "www-authenticate": challenge } };
}

/** What RFC 6750 calls it; "" for a request without a credential, undefined for what is no matter of credentials. */
function challengeError({ status }: Answer, caller: Caller): string | undefined {
  if (status === 401) return caller.kind === "wrong-key" ? "invalid_token" : "";
  const lacksScope = caller.kind === "refused" && reasonOf(caller.error) === ErrorReason.SCOPE_MISSING;
  return lacksScope ? "insufficient_scope" : undefined;
}
