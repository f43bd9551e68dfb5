import type { PublicJwks } from "@hil/platform/signing/jws.ts";
import type { Route } from "./route-table.ts";

/** Where anybody reads the keys that receipts are signed with. */
export const PUBLIC_KEYS_PATH = "/.well-known/hil-keys.json";
/** A rotation is seen this soon; the set still has the keys of before. */
const MAX_AGE_S = 300;

/** The public keys of the deployment, as a JSON Web Key Set, for everybody: they are what strangers verify with. */
export function publicKeysRoute(signingKey: { readonly publicJwks: PublicJwks }): Route {
  return {
    method: "GET",
    pattern: PUBLIC_KEYS_PATH,
    prefix: "either",
    access: "open",
    handle: () => ({
      status: 200,
      body: signingKey.publicJwks,
      headers: {
        "content-type": "application/jwk-set+json",
        "cache-control": `public, max-age=${MAX_AGE_S}`,
        "access-control-allow-origin": "*",
      },
    }),
  };
}
