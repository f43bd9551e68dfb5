// An OpenID Connect provider on a port of this machine: discovery, a page to sign in on, codes, tokens. It checks what a
// provider checks (client, redirect address, PKCE, each code once), and a test bends what it says.

import { createHash, randomUUID } from "node:crypto";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

export const CLIENT_ID = "hil-console";
export const CLIENT_SECRET = "a-secret-of-this-test-and-no-other";

/** What a test changes; a claim that is undefined is left out. */
export interface Bend {
  claims?: Record<string, unknown>;
  /** Signs with a key that the provider does not publish. */
  strangeKey?: boolean;
  /** Says no in place of giving a code. */
  error?: string;
  /** The status of every answer from now on. */
  status?: number;
  /** What the userinfo endpoint says besides the subject. */
  userInfo?: Record<string, unknown>;
}

export interface FakeOidcProvider {
  readonly url: string;
  bend: Bend;
  /** What reached it: "GET /authorize". */
  readonly requests: string[];
  close(): Promise<void>;
}

interface Grant {
  readonly nonce: string | null;
  readonly challenge: string | null;
  readonly redirectUri: string;
}

export async function startFakeOidcProvider({
  redirectUri,
}: {
  redirectUri: () => string;
}): Promise<FakeOidcProvider> {
  const [key, strange] = await Promise.all([generateKeyPair("RS256"), generateKeyPair("RS256")]);
  const jwk = { ...(await exportJWK(key.publicKey)), kid: "k1", use: "sig", alg: "RS256" };
  const grants = new Map<string, Grant>();
  const requests: string[] = [];
  const state: { bend: Bend } = { bend: {} };
  let url = "";

  const idToken = ({ nonce }: Grant): Promise<string> => {
    const seconds = Math.floor(Date.now() / 1000);
    const claims = {
      iss: url,
      aud: CLIENT_ID,
      sub: "subject-1",
      iat: seconds,
      exp: seconds + 300,
      nonce: nonce ?? undefined,
      email: "Zhao.Min@Example.com",
      email_verified: true,
      ...state.bend.claims,
    };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: "RS256", kid: "k1", typ: "JWT" })
      .sign(state.bend.strangeKey ? strange.privateKey : key.privateKey);
  };

  const server = http.createServer(async (request, response) => {
    const target = new URL(request.url ?? "/", url);
    requests.push(`${request.method} ${target.pathname}`);
    const json = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (state.bend.status !== undefined) return json(state.bend.status, {});
    switch (target.pathname) {
      case "/.well-known/openid-configuration":
        return json(200, {
          issuer: url,
          authorization_endpoint: `${url}/authorize`,
          token_endpoint: `${url}/token`,
          userinfo_endpoint: `${url}/userinfo`,
          jwks_uri: `${url}/jwks`,
          response_types_supported: ["code"],
          subject_types_supported: ["public"],
          id_token_signing_alg_values_supported: ["RS256"],
          code_challenge_methods_supported: ["S256"],
        });
      case "/jwks":
        return json(200, { keys: [jwk] });
      case "/authorize": {
        const query = target.searchParams;
        if (query.get("client_id") !== CLIENT_ID || query.get("redirect_uri") !== redirectUri())
          return json(400, {});
        const back = new URL(redirectUri());
        back.searchParams.set("state", query.get("state") ?? "");
        if (state.bend.error) back.searchParams.set("error", state.bend.error);
        else {
          const code = randomUUID();
          grants.set(code, {
            nonce: query.get("nonce"),
            challenge: query.get("code_challenge"),
            redirectUri: query.get("redirect_uri")!,
          });
          back.searchParams.set("code", code);
        }
        response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
        response.end(
          `<!doctype html><title>Example ID</title><h1>Example ID</h1><a href="${back.href.replaceAll("&", "&amp;")}">Go on as Zhao Min</a>`,
        );
        return;
      }
      case "/token": {
        const form = new URLSearchParams(await textOf(request));
        const grant = grants.get(form.get("code") ?? "");
        grants.delete(form.get("code") ?? "");
        const shown = (request.headers.authorization ?? "").replace(/^Basic /, "");
        const isClient =
          Buffer.from(shown, "base64").toString().split(":").map(decodeURIComponent).join(":") ===
          `${CLIENT_ID}:${CLIENT_SECRET}`;
        const challenge = createHash("sha256")
          .update(form.get("code_verifier") ?? "")
          .digest("base64url");
        if (!isClient) return json(401, { error: "invalid_client" });
        if (!grant || grant.challenge !== challenge || grant.redirectUri !== form.get("redirect_uri")) {
          return json(400, { error: "invalid_grant" });
        }
        return json(200, {
          access_token: randomUUID(),
          token_type: "Bearer",
          id_token: await idToken(grant),
        });
      }
      case "/userinfo":
        return json(200, { sub: "subject-1", ...state.bend.userInfo });
      default:
        return json(404, {});
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    get bend() {
      return state.bend;
    },
    set bend(bend) {
      state.bend = bend;
    },
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function textOf(request: http.IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}
