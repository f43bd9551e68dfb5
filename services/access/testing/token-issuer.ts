// An issuer of tokens on a port of this machine: discovery, keys, and tokens of every kind, right and wrong.

import { createSign, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export const AUDIENCE = "https://hil.example.com";
/** A program that the issuer knows. */
export const CLIENT = { id: "agent-9", secret: "secret-of-agent-9" };

export interface TokenIssuer {
  readonly url: string;
  readonly rsa: KeyObject;
  readonly rsaPublicPem: string;
  /** The same claims as a right token, with changes. A claim that is undefined is left out. */
  claims(changes?: Record<string, unknown>): Record<string, unknown>;
  /** A token signed with the issuer's RSA key. */
  token(changes?: Record<string, unknown>, header?: Record<string, unknown>): string;
  /** A token signed with its EC key. */
  es256(changes?: Record<string, unknown>, header?: Record<string, unknown>): string;
  /** A token signed with its Ed25519 key. */
  eddsa(changes?: Record<string, unknown>): string;
  /** What was asked for, by path. */
  readonly requests: string[];
  /** Answers with this status from now on; 200: as it should. */
  status: number;
  /** Replaces the RSA key by another one under a new name. */
  rotate(): void;
  close(): Promise<void>;
}

export async function startTokenIssuer(now: () => Date): Promise<TokenIssuer> {
  let rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  let rsaId = "rsa-1";
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ed = generateKeyPairSync("ed25519");
  const requests: string[] = [];
  const state = { status: 200 };
  let url = "";
  const server = http.createServer((request, response) => {
    requests.push(request.url ?? "");
    if (state.status !== 200) {
      response.writeHead(state.status, { location: "/jwks" }).end();
      return;
    }
    response.setHeader("content-type", "application/json");
    if (request.url === "/.well-known/openid-configuration") {
      response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/jwks` }));
    } else if (request.url === "/jwks") {
      const keys = [
        { ...rsa.publicKey.export({ format: "jwk" }), kid: rsaId, use: "sig", alg: "RS256" },
        { ...ec.publicKey.export({ format: "jwk" }), kid: "ec-1", use: "sig" },
        { ...ed.publicKey.export({ format: "jwk" }), kid: "ed-1", use: "sig" },
      ];
      response.end(JSON.stringify({ keys }));
    } else if (request.url === "/.well-known/oauth-authorization-server") {
      response.end(
        JSON.stringify({
          issuer: url,
          authorization_endpoint: `${url}/authorize`,
          token_endpoint: `${url}/token`,
          jwks_uri: `${url}/jwks`,
          response_types_supported: ["code"],
          grant_types_supported: ["client_credentials"],
          token_endpoint_auth_methods_supported: ["client_secret_basic"],
        }),
      );
    } else if (request.url === "/token" && request.method === "POST") {
      void issue(request).then((issued) =>
        response.writeHead(issued ? 200 : 401).end(JSON.stringify(issued ?? {})),
      );
    } else response.writeHead(404).end();
  });
  /** A token for the program that shows the secret, for the resource and the scopes that it asks for (RFC 8707). */
  const issue = async (request: http.IncomingMessage) => {
    const asked = new URLSearchParams(await text(request));
    const shown = Buffer.from(request.headers.authorization?.slice("Basic ".length) ?? "", "base64");
    if (shown.toString("utf8") !== `${CLIENT.id}:${CLIENT.secret}`) return undefined;
    const scope = asked.get("scope") ?? "";
    const token = claims({ sub: CLIENT.id, aud: asked.get("resource") ?? undefined, scope });
    const signed = rs256(rsa.privateKey, { kid: rsaId }, token);
    return { access_token: signed, token_type: "Bearer", expires_in: 300, scope };
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const claims = (changes: Record<string, unknown> = {}) => {
    const seconds = Math.floor(now().getTime() / 1000);
    return {
      iss: url,
      aud: AUDIENCE,
      sub: "user-7",
      tenant: "team-a",
      roles: ["agent"],
      iat: seconds,
      nbf: seconds,
      exp: seconds + 300,
      ...changes,
    };
  };
  return {
    url,
    get rsa() {
      return rsa.privateKey;
    },
    get rsaPublicPem() {
      return rsa.publicKey.export({ type: "spki", format: "pem" }) as string;
    },
    claims,
    token: (changes, header) => rs256(rsa.privateKey, { kid: rsaId, ...header }, claims(changes)),
    es256: (changes, header) =>
      signed({ alg: "ES256", typ: "JWT", kid: "ec-1", ...header }, claims(changes), (input) =>
        createSign("sha256").update(input).sign({ key: ec.privateKey, dsaEncoding: "ieee-p1363" }),
      ),
    eddsa: (changes) =>
      signed({ alg: "EdDSA", typ: "JWT", kid: "ed-1" }, claims(changes), (input) =>
        sign(null, Buffer.from(input), ed.privateKey),
      ),
    requests,
    get status() {
      return state.status;
    },
    set status(status) {
      state.status = status;
    },
    rotate() {
      rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
      rsaId = "rsa-2";
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A token of any header and payload; each may be given as JSON text, to say what JSON.stringify cannot. */
export function signed(header: unknown, payload: unknown, signer: (input: string) => Buffer): string {
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${signer(input).toString("base64url")}`;
}

export function rs256(key: KeyObject, header: Record<string, unknown>, payload: unknown): string {
  return signed({ alg: "RS256", typ: "JWT", ...header }, payload, (input) =>
    createSign("sha256").update(input).sign(key),
  );
}

export function part(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}
