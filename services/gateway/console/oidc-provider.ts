// What the configured OpenID Connect provider is asked: where to send a person, and who came back.
//
// V1. A code is traded with PKCE, and the ID token's signature, issuer, audience, times and nonce are checked, although
//     it comes over TLS from the provider itself.
// V2. An e-mail address counts only where the provider says that it verified it.
// V3. A provider that does not answer is asked again after 10 s at the earliest.

import * as client from "openid-client";
import type { Attempt } from "./oidc-attempt.ts";
import type { OidcConfig } from "./oidc-config.ts";

const PATIENCE_S = 10;
const FAILURE_PAUSE_MS = 10_000;
const CLOCK_TOLERANCE_S = 30;

/** Who came back. */
export interface OidcPerson {
  readonly issuer: string;
  readonly subject: string;
  /** Verified, in lower case; "" for none. */
  readonly email: string;
}

export interface OidcProvider {
  /** Where the person signs in. Rejects where the provider cannot be reached. */
  authorizationUrl(attempt: Attempt, redirectUri: string): Promise<string>;
  /** Trades what the provider sent the person back with. Rejects for whatever does not fit. */
  personOf(callbackUrl: URL, attempt: Attempt): Promise<OidcPerson>;
}

/** New values for one attempt. */
export function attemptValues(): Pick<Attempt, "state" | "nonce" | "verifier"> {
  return {
    state: client.randomState(),
    nonce: client.randomNonce(),
    verifier: client.randomPKCECodeVerifier(),
  };
}

export function createOidcProvider(config: OidcConfig, { now }: { now: () => Date }): OidcProvider {
  let found: Promise<client.Configuration> | undefined;
  let pausedUntilMs = 0;
  const configuration = (): Promise<client.Configuration> => {
    if (now().getTime() < pausedUntilMs) throw new Error("the provider did not answer a moment ago");
    found ??= discover(config).catch((error: unknown) => {
      found = undefined;
      pausedUntilMs = now().getTime() + FAILURE_PAUSE_MS;
      throw error;
    });
    return found;
  };
  return {
    async authorizationUrl({ state, nonce, verifier }, redirectUri) {
      const url = client.buildAuthorizationUrl(await configuration(), {
        redirect_uri: redirectUri,
        scope: config.scopes,
        state,
        nonce,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
      });
      return url.href;
    },
    async personOf(callbackUrl, { state, nonce, verifier }) {
      const provider = await configuration();
      const tokens = await client.authorizationCodeGrant(provider, callbackUrl, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims()!;
      const email = verifiedEmail(claims);
      return {
        issuer: claims.iss,
        subject: claims.sub,
        // Some providers keep the address out of the token.
        email: email ?? (await emailOf(provider, tokens.access_token, claims.sub)),
      };
    },
  };
}

function discover({ issuer, clientId, clientSecret }: OidcConfig): Promise<client.Configuration> {
  const authenticate: client.ClientAuth = (server, ...rest) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
    const isBasic = methods.includes("client_secret_basic");
    const method = isBasic ? client.ClientSecretBasic(clientSecret) : client.ClientSecretPost(clientSecret);
    method(server, ...rest);
  };
  const isPlain = new URL(issuer).protocol === "http:"; // only on this machine, see readOidcConfig
  return client.discovery(
    new URL(issuer),
    clientId,
    { [client.clockTolerance]: CLOCK_TOLERANCE_S },
    authenticate,
    {
      timeout: PATIENCE_S,
      execute: [client.enableNonRepudiationChecks, ...(isPlain ? [client.allowInsecureRequests] : [])],
    },
  );
}

/** "" where the provider says that there is none that it verified; undefined where it says nothing. */
function verifiedEmail(claims: client.IDToken | client.UserInfoResponse): string | undefined {
  if (typeof claims.email !== "string") return undefined;
  return claims.email_verified === true ? claims.email.toLowerCase() : "";
}

async function emailOf(
  provider: client.Configuration,
  accessToken: string,
  subject: string,
): Promise<string> {
  if (provider.serverMetadata().userinfo_endpoint === undefined) return "";
  return verifiedEmail(await client.fetchUserInfo(provider, accessToken, subject)) ?? "";
}
