import { createHmac, createSign, generateKeyPairSync, sign } from "node:crypto";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { metadataOf, reasonOf } from "@hil/platform/errors/hil-error.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createJwtVerifier, isJwt } from "./jwt.ts";
import { readJwtConfig } from "./jwt-config.ts";
import { hasRepeatedKey } from "./repeated-key.ts";
import { AUDIENCE, part, rs256, signed, startTokenIssuer, type TokenIssuer } from "./testing/token-issuer.ts";

let issuer: TokenIssuer;
const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 });
const small = generateKeyPairSync("rsa", { modulusLength: 1024 });
const now = () => new Date("2026-11-20T10:00:00Z");
const seconds = Math.floor(now().getTime() / 1000);

beforeAll(async () => {
  issuer = await startTokenIssuer(now);
});
afterAll(() => issuer.close());

function configOf(environment: NodeJS.ProcessEnv = {}) {
  return readJwtConfig({ HIL_JWT_ISSUER: issuer.url, HIL_JWT_AUDIENCE: AUDIENCE, ...environment })!;
}

function verifierOf(environment: NodeJS.ProcessEnv = {}, log = silentLog) {
  return createJwtVerifier(configOf(environment), { now, log });
}

const failure = (work: Promise<unknown>) =>
  work.then(
    (value) => expect.fail(`was taken: ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );

const hs = (key: string, header: Record<string, unknown> = {}) =>
  signed({ alg: "HS256", typ: "JWT", kid: "rsa-1", ...header }, issuer.claims(), (input) =>
    createHmac("sha256", key).update(input).digest(),
  );
const unsigned = (alg: string, signature = "") =>
  `${part({ alg, typ: "JWT", kid: "rsa-1" })}.${part(issuer.claims())}.${signature}`;
/** The issuer's own signature over any header and payload, also such as no issuer would write. */
const own = (header: unknown, payload: unknown = issuer.claims()) =>
  signed(header, payload, (input) => createSign("sha256").update(input).sign(issuer.rsa));
const head = { alg: "RS256", typ: "JWT", kid: "rsa-1" };
const text = (claims: Record<string, unknown>) => JSON.stringify(claims);
/** The token with one of its parts replaced. */
const with_ = (token: string, index: number, replacement: (part: string) => string) =>
  token
    .split(".")
    .map((each, at) => (at === index ? replacement(each) : each))
    .join(".");
const derSignature = () =>
  signed({ alg: "ES256", typ: "JWT", kid: "ec-1" }, issuer.claims(), (input) =>
    createSign("sha256")
      .update(input)
      .sign(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey),
  );

/** Tokens that must not be taken. */
const VECTORS: readonly (readonly [string, () => string])[] = [
  ["alg none", () => unsigned("none")],
  ["alg None", () => unsigned("None")],
  ["alg NONE", () => unsigned("NONE")],
  ["alg nOnE with a signature", () => unsigned("nOnE", issuer.token().split(".")[2])],
  ["alg none in a list", () => own({ ...head, alg: ["none"] })],
  ["alg empty", () => unsigned("")],
  ["no alg", () => own({ typ: "JWT", kid: "rsa-1" })],
  ["alg null", () => own({ ...head, alg: null })],
  ["HS256 with the public key in PEM", () => hs(issuer.rsaPublicPem)],
  ["HS256 with the public key in PEM, trimmed", () => hs(issuer.rsaPublicPem.trim())],
  ["HS256 with an empty key", () => hs("")],
  ["HS256 with the issuer's name as key", () => hs(issuer.url)],
  ["HS512 by its name alone", () => hs("x", { alg: "HS512" })],
  [
    "RS384, which is not configured",
    () =>
      signed({ ...head, alg: "RS384" }, issuer.claims(), (input) =>
        createSign("sha384").update(input).sign(issuer.rsa),
      ),
  ],
  ["RS256 named PS256", () => own({ ...head, alg: "PS256" })],
  ["RS256 named ES256", () => own({ ...head, alg: "ES256" })],
  ["RS256 named EdDSA", () => own({ ...head, alg: "EdDSA" })],
  ["RS1", () => own({ ...head, alg: "RS1" })],
  ["alg in lower case", () => own({ ...head, alg: "rs256" })],
  ["ES256 named RS256", () => issuer.es256({}, { alg: "RS256" })],
  ["ES256 with the RSA key's name", () => issuer.es256({}, { kid: "rsa-1" })],
  ["ES256 of a stranger, in DER", derSignature],
  [
    "ES256 with r and s of nought",
    () => with_(issuer.es256(), 2, () => Buffer.alloc(64).toString("base64url")),
  ],
  ["ES256 with half a signature", () => with_(issuer.es256(), 2, (each) => each.slice(0, 43))],
  ["ES256 with a longer signature", () => with_(issuer.es256(), 2, (each) => `${each}AAAA`)],
  [
    "EdDSA of a stranger",
    () =>
      signed({ alg: "EdDSA", typ: "JWT", kid: "ed-1" }, issuer.claims(), (input) =>
        sign(null, Buffer.from(input), generateKeyPairSync("ed25519").privateKey),
      ),
  ],
  ["a stranger's key", () => rs256(stranger.privateKey, { kid: "rsa-1" }, issuer.claims())],
  [
    "a stranger's key under a name that is not known",
    () => rs256(stranger.privateKey, { kid: "stranger" }, issuer.claims()),
  ],
  ["a key of 1024 bits", () => rs256(small.privateKey, { kid: "rsa-1" }, issuer.claims())],
  ["kid of a file", () => rs256(stranger.privateKey, { kid: "../../../../dev/null" }, issuer.claims())],
  ["kid of SQL", () => rs256(stranger.privateKey, { kid: "x' UNION SELECT 'key'--" }, issuer.claims())],
  ["kid of a command", () => rs256(stranger.privateKey, { kid: "|/bin/true" }, issuer.claims())],
  [
    "kid of an address",
    () => rs256(stranger.privateKey, { kid: "https://evil.example/key" }, issuer.claims()),
  ],
  ["kid that is a list", () => own({ ...head, kid: ["rsa-1"] })],
  ["kid that is a number", () => own({ ...head, kid: 1 })],
  ["kid of a prototype", () => rs256(stranger.privateKey, { kid: "__proto__" }, issuer.claims())],
  ["jku", () => own({ ...head, jku: "https://evil.example/jwks" })],
  ["jku of the issuer", () => own({ ...head, jku: `${issuer.url}/jwks` })],
  ["x5u", () => own({ ...head, x5u: "https://evil.example/cert" })],
  ["x5c", () => own({ ...head, x5c: ["MIIB"] })],
  [
    "an embedded key",
    () =>
      rs256(
        stranger.privateKey,
        { kid: "rsa-1", jwk: stranger.publicKey.export({ format: "jwk" }) },
        issuer.claims(),
      ),
  ],
  [
    "an embedded key, no kid",
    () =>
      rs256(
        stranger.privateKey,
        { kid: undefined, jwk: stranger.publicKey.export({ format: "jwk" }) },
        issuer.claims(),
      ),
  ],
  ["crit that is not known", () => own({ ...head, crit: ["exp2"], exp2: 1 })],
  ["crit of b64", () => own({ ...head, crit: ["b64"], b64: true })],
  ["crit that is empty", () => own({ ...head, crit: [] })],
  ["b64 false", () => own({ ...head, b64: false })],
  ["zip", () => own({ ...head, zip: "DEF" })],
  ["typ of something else", () => issuer.token({}, { typ: "dpop+jwt" })],
  ["typ of a logout token", () => issuer.token({}, { typ: "logout+jwt" })],
  ["no typ", () => issuer.token({}, { typ: undefined })],
  ["typ that is a list", () => own({ ...head, typ: ["JWT"] })],
  ["another audience", () => issuer.token({ aud: "https://other.example.com" })],
  ["other audiences", () => issuer.token({ aud: ["a", "b"] })],
  ["an audience that begins with ours", () => issuer.token({ aud: `${AUDIENCE}.evil.example` })],
  ["no audience", () => issuer.token({ aud: undefined })],
  ["an audience that is an object", () => issuer.token({ aud: { [AUDIENCE]: true } })],
  ["an empty list of audiences", () => issuer.token({ aud: [] })],
  ["another issuer", () => issuer.token({ iss: "https://evil.example" })],
  ["the issuer with a slash more", () => issuer.token({ iss: `${issuer.url}/` })],
  ["the issuer in a list", () => issuer.token({ iss: [issuer.url] })],
  ["the issuer in upper case", () => issuer.token({ iss: issuer.url.toUpperCase() })],
  ["no issuer", () => issuer.token({ iss: undefined })],
  ["expired", () => issuer.token({ exp: seconds - 31 })],
  ["expired long ago", () => issuer.token({ exp: 1 })],
  ["no expiry", () => issuer.token({ exp: undefined })],
  ["an expiry in words", () => issuer.token({ exp: "never" })],
  ["an expiry as text", () => issuer.token({ exp: String(seconds + 300) })],
  ["an expiry without end", () => own(head, text(issuer.claims()).replace(/"exp":\d+/, '"exp":1e400'))],
  ["an expiry of null", () => issuer.token({ exp: null })],
  ["not yet", () => issuer.token({ nbf: seconds + 31 })],
  ["not before, in words", () => issuer.token({ nbf: "now" })],
  ["no subject", () => issuer.token({ sub: undefined })],
  ["an empty subject", () => issuer.token({ sub: "" })],
  ["a subject that is a number", () => issuer.token({ sub: 7 })],
  ["a subject with a line break", () => issuer.token({ sub: "user-7\nowner" })],
  ["a subject of 256 characters", () => issuer.token({ sub: "x".repeat(256) })],
  ["no tenant", () => issuer.token({ tenant: undefined })],
  ["an empty tenant", () => issuer.token({ tenant: "" })],
  ["several tenants", () => issuer.token({ tenant: ["team-a", "team-b"] })],
  ["a tenant that is no name", () => issuer.token({ tenant: "../team-b" })],
  ["a tenant in upper case", () => issuer.token({ tenant: "Team-A" })],
  ["a tenant with a line break", () => issuer.token({ tenant: "team-a\n" })],
  [
    "the tenant twice",
    () =>
      own(head, text(issuer.claims()).replace('"tenant":"team-a"', '"tenant":"team-a","tenant":"team-b"')),
  ],
  [
    "the tenant twice, once spelt with escapes",
    () =>
      own(
        head,
        text(issuer.claims()).replace('"tenant":"team-a"', '"tenant":"team-a","\\u0074enant":"team-b"'),
      ),
  ],
  ["the algorithm twice", () => own('{"alg":"none","typ":"JWT","kid":"rsa-1","alg":"RS256"}')],
  [
    "a role list with a key twice inside",
    () => own(head, text(issuer.claims({ more: "X" })).replace('"X"', '{"a":1,"a":2}')),
  ],
  ["a payload that is a list", () => own(head, [issuer.claims()])],
  ["a payload that is text", () => own(head, '"claims"')],
  ["a payload that is null", () => own(head, "null")],
  ["a payload that is not JSON", () => own(head, "{tenant: team-a}")],
  [
    "a payload that is not UTF-8",
    () => with_(issuer.token(), 1, () => Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url")),
  ],
  ["a payload with a byte order mark", () => own(head, `\ufeff${text(issuer.claims())}`)],
  ["a header that is a list", () => own([head])],
  ["a header that is null", () => own("null")],
  ["a header that is not JSON", () => own("alg=RS256")],
  ["a changed payload", () => with_(issuer.token(), 1, () => part(issuer.claims({ tenant: "team-b" })))],
  ["a changed header", () => with_(issuer.token(), 0, () => part({ ...head, x: 1 }))],
  ["no signature", () => with_(issuer.token(), 2, () => "")],
  ["a signature cut off", () => with_(issuer.token(), 2, (each) => each.slice(0, -8))],
  [
    "a signature of another token",
    () => with_(issuer.token(), 2, () => issuer.token({ sub: "x" }).split(".")[2]!),
  ],
  ["two parts", () => issuer.token().split(".").slice(0, 2).join(".")],
  ["four parts", () => `${issuer.token()}.x`],
  ["five parts, as encrypted", () => `${issuer.token()}.x.y`],
  ["padding", () => with_(issuer.token(), 1, (each) => `${each}==`)],
  ["blanks", () => ` ${issuer.token()}`],
  ["a line break", () => `${issuer.token()}\n`],
  ["the JSON form", () => JSON.stringify({ payload: part(issuer.claims()), signatures: [] })],
  ["nothing but dots", () => ".."],
  ["a token of 20,000 characters", () => issuer.token({ more: "x".repeat(20_000) })],
  ["very deep nesting", () => own(head, `{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`)],
];

test("there are at least 60 vectors", () => {
  expect(VECTORS.length).toBeGreaterThanOrEqual(60);
});

test.each(VECTORS)("refused as CREDENTIAL_INVALID, and nothing else is said: %s", async (_, make) => {
  const error = await failure(verifierOf().verify(make()));
  expect(reasonOf(error)).toBe(ErrorReason.CREDENTIAL_INVALID);
  expect(metadataOf(error)).toEqual({});
  expect(String(error)).toBe(String(await failure(verifierOf().verify("a.b.c"))));
});

describe("taken", () => {
  test.each([
    ["RS256", () => issuer.token()],
    ["ES256", () => issuer.es256()],
    ["EdDSA", () => issuer.eddsa()],
    ["an access token by its type", () => issuer.token({}, { typ: "at+jwt" })],
    ["a type in full", () => issuer.token({}, { typ: "application/at+jwt" })],
    ["our audience among others", () => issuer.token({ aud: ["x", AUDIENCE] })],
    ["a clock that is 29 s ahead", () => issuer.token({ nbf: seconds + 29, iat: seconds + 29 })],
    ["a clock that is 29 s behind", () => issuer.token({ exp: seconds - 29 })],
    [
      "the same value twice, and a key in two objects",
      () => issuer.token({ a: { x: 1 }, b: { x: 1 }, c: ["x", "x"] }),
    ],
  ])("%s", async (_, make) => {
    const token = make();
    expect(isJwt(token)).toBe(true);
    const { principal } = await verifierOf().verify(token);
    expect(principal).toMatchObject({ kind: "jwt", tenantId: "team-a", roles: [Role.AGENT] });
    expect(principal.id).toMatch(/^jwt:[0-9a-f]{12}:user-7$/);
  });

  test("it may be remembered no longer than it is valid", async () => {
    const { validUntilMs } = await verifierOf().verify(issuer.token({ exp: seconds + 2 }));
    expect(validUntilMs).toBe((seconds + 32) * 1000);
  });

  test("the person's name is shown", async () => {
    expect((await verifierOf().verify(issuer.token({ name: "Zhao Min" }))).principal.name).toBe("Zhao Min");
    const { principal } = await verifierOf().verify(issuer.token({ name: 7, preferred_username: "zhao" }));
    expect(principal.name).toBe("zhao");
  });
});

describe("roles", () => {
  const rolesOf = async (changes: Record<string, unknown>, environment = {}) =>
    (await verifierOf(environment).verify(issuer.token(changes))).principal.roles;

  test("OWNER, SERVICE and RELAY never come from a token", async () => {
    const roles = ["owner", "service", "relay", "OWNER", "ROLE_OWNER", "1", 1, "admin", "agent"];
    expect(await rolesOf({ roles })).toEqual([Role.AGENT]);
  });

  test("none are given by themselves", async () => {
    for (const roles of [undefined, null, [], {}, 8, "", ["constructor", "__proto__"]]) {
      expect(await rolesOf({ roles })).toEqual([]);
    }
  });

  test("in a list or with blanks between them, from the claim that is configured", async () => {
    expect(await rolesOf({ roles: "agent responder agent" })).toEqual([Role.AGENT, Role.RESPONDER]);
    const nested = { realm_access: { roles: ["auditor"] } };
    expect(await rolesOf(nested, { HIL_JWT_ROLES_CLAIM: "realm_access.roles" })).toEqual([Role.AUDITOR]);
    const named = { "https://hil.example.com/roles": ["operator"] };
    expect(await rolesOf(named, { HIL_JWT_ROLES_CLAIM: "https://hil.example.com/roles" })).toEqual([
      Role.OPERATOR,
    ]);
  });

  test("what every object has by itself is no claim", async () => {
    const error = await failure(
      verifierOf({ HIL_JWT_TENANT_CLAIM: "constructor.name" }).verify(issuer.token()),
    );
    expect(reasonOf(error)).toBe(ErrorReason.CREDENTIAL_INVALID);
  });
});

describe("the issuer's keys", () => {
  test("are asked for once, and not again for keys that are not known", async () => {
    const verifier = verifierOf();
    issuer.requests.length = 0;
    await Promise.all(Array.from({ length: 20 }, () => verifier.verify(issuer.token())));
    for (let each = 0; each < 20; each++) {
      await failure(verifier.verify(rs256(stranger.privateKey, { kid: `made-up-${each}` }, issuer.claims())));
    }
    expect(issuer.requests).toEqual(["/.well-known/openid-configuration", "/jwks"]);
  });

  test("are asked for again for a new key once 30 s have passed", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: now() });
    const rotating = await startTokenIssuer(now);
    try {
      const verifier = verifierOf({ HIL_JWT_ISSUER: rotating.url });
      const old = rotating.token();
      await verifier.verify(old);
      rotating.rotate();
      expect(reasonOf(await failure(verifier.verify(rotating.token())))).toBe(ErrorReason.CREDENTIAL_INVALID);
      vi.setSystemTime(now().getTime() + 30_001);
      expect((await verifier.verify(rotating.token())).principal.tenantId).toBe("team-a");
      expect(reasonOf(await failure(verifier.verify(old)))).toBe(ErrorReason.CREDENTIAL_INVALID);
    } finally {
      vi.useRealTimers();
      await rotating.close();
    }
  });

  test("are asked for at no other address, whatever the token says", async () => {
    issuer.requests.length = 0;
    await failure(
      verifierOf().verify(own({ ...head, jku: `${issuer.url}/evil`, x5u: `${issuer.url}/evil` })),
    );
    expect(issuer.requests).toEqual([]);
  });

  test("that cannot be had are nobody's fault, and are asked for again after a pause", async () => {
    let time = now();
    const verifier = createJwtVerifier(configOf(), { now: () => time, log: silentLog });
    issuer.requests.length = 0;
    for (const status of [500, 302, 404]) {
      issuer.status = status;
      for (let each = 0; each < 5; each++) {
        expect(reasonOf(await failure(verifier.verify(issuer.token())))).toBe(ErrorReason.NOT_READY);
      }
      time = new Date(time.getTime() + 10_000);
    }
    expect(issuer.requests.length).toBe(3);
    issuer.status = 200;
    expect((await verifier.verify(issuer.token())).principal.tenantId).toBe("team-a");
  });

  test("of a discovery document of another issuer are not used", async () => {
    const verifier = verifierOf({ HIL_JWT_ISSUER: issuer.url.replace("127.0.0.1", "localhost") });
    expect(reasonOf(await failure(verifier.verify(issuer.token())))).toBe(ErrorReason.NOT_READY);
  });

  test("come from HIL_JWT_JWKS_URL where that is set, without discovery", async () => {
    issuer.requests.length = 0;
    await verifierOf({ HIL_JWT_JWKS_URL: `${issuer.url}/jwks` }).verify(issuer.token());
    expect(issuer.requests).toEqual(["/jwks"]);
  });
});

describe("scopes", () => {
  const scoped = { HIL_JWT_SCOPES: "hil:ask,hil:read" };

  test.each([
    ["in one text", { scope: "openid hil:read hil:ask" }],
    ["by the other name", { scp: "hil:ask hil:read" }],
    ["in a list", { scp: ["hil:read", "hil:ask"] }],
  ])("%s let a token in", async (_, claims) => {
    const { principal } = await verifierOf(scoped).verify(issuer.token(claims));
    expect(principal).toMatchObject({ kind: "jwt", tenantId: "team-a" });
  });

  test.each([
    ["none", {}],
    ["one of two", { scope: "hil:ask" }],
    ["one that begins with it", { scope: "hil:asking hil:read" }],
    ["an object", { scope: { "hil:ask": true } }],
  ])("that lack are told, so that the client can ask for them: %s", async (_, claims) => {
    const error = await failure(verifierOf(scoped).verify(issuer.token(claims)));
    expect(reasonOf(error)).toBe(ErrorReason.SCOPE_MISSING);
    expect(metadataOf(error).scope).toContain("hil:");
  });

  test("nothing is told of them to whoever has no right token", async () => {
    const expired = issuer.token({ exp: seconds - 31 });
    const error = await failure(verifierOf(scoped).verify(expired));
    expect(reasonOf(error)).toBe(ErrorReason.CREDENTIAL_INVALID);
  });
});

test("each of several audiences is ours, and nothing between them", async () => {
  const verifier = verifierOf({ HIL_JWT_AUDIENCE: `${AUDIENCE}, ${AUDIENCE}/mcp` });
  for (const aud of [AUDIENCE, `${AUDIENCE}/mcp`]) {
    await expect(verifier.verify(issuer.token({ aud }))).resolves.toMatchObject({});
  }
  const both = await failure(verifier.verify(issuer.token({ aud: `${AUDIENCE}, ${AUDIENCE}/mcp` })));
  expect(reasonOf(both)).toBe(ErrorReason.CREDENTIAL_INVALID);
});

test("I12: the log says why, and never the token", async () => {
  const said: string[] = [];
  const log = { ...silentLog, warn: (...words: unknown[]) => void said.push(JSON.stringify(words)) };
  const tokens = [
    issuer.token({ aud: "x" }),
    issuer.token({ sub: "" }),
    "e30.e30.e30",
    own(head, "{SECRET-TEXT"),
  ];
  for (const token of tokens) await failure(verifierOf({}, log).verify(token));
  expect(said.length).toBe(tokens.length);
  expect(said[0]).toContain('\\"aud\\"');
  for (const token of tokens) {
    for (const each of token.split(".")) if (each.length > 4) expect(said.join()).not.toContain(each);
  }
  expect(said.join()).not.toContain("SECRET-TEXT");
});

test.each([
  ["{}", false],
  ['{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}', false],
  ['{"a":"a","b":["a","a"]}', false],
  ['{"a":"\\"","a\\"":1,",":2}', false],
  ['{"a":1,"a":1}', true],
  ['{"a":1,"\\u0061":1}', true],
  ['[{"a":{"b":[]},"a":1}]', true],
  ['{"a":[1,2],"b":{},"a":0}', true],
])("a key twice in %s: %s", (json, repeated) => {
  expect(hasRepeatedKey(json)).toBe(repeated);
});

test.each([
  [{ HIL_JWT_AUDIENCE: "" }, /HIL_JWT_AUDIENCE/],
  [{ HIL_JWT_ISSUER: "http://issuer.example.com" }, /HIL_JWT_ISSUER/],
  [{ HIL_JWT_ISSUER: "https://user:pass@issuer.example.com" }, /HIL_JWT_ISSUER/],
  [{ HIL_JWT_JWKS_URL: "http://issuer.example.com/jwks" }, /HIL_JWT_JWKS_URL/],
  [{ HIL_JWT_JWKS_URL: "file:///etc/jwks" }, /HIL_JWT_JWKS_URL/],
  [{ HIL_JWT_ALGORITHMS: "RS256,HS256" }, /HIL_JWT_ALGORITHMS/],
  [{ HIL_JWT_ALGORITHMS: "none" }, /HIL_JWT_ALGORITHMS/],
  [{ HIL_JWT_AUDIENCE: "," }, /HIL_JWT_AUDIENCE/],
  [{ HIL_JWT_SCOPES: 'a"b' }, /HIL_JWT_SCOPES/],
])("a set-up that cannot be safe is refused: %j", (environment, problem) => {
  const given = { HIL_JWT_ISSUER: "https://issuer.example.com", HIL_JWT_AUDIENCE: AUDIENCE, ...environment };
  expect(() => readJwtConfig(given)).toThrow(problem);
});

test("without an issuer no tokens are taken", () => {
  expect(readJwtConfig({})).toBeUndefined();
});
