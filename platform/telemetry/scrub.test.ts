import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { scrubSecrets } from "./scrub.ts";

const secret = () => randomBytes(32).toString("base64url");
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg";

test.each([
  ["an owner key", (s: string) => `the key hil_owner_${s} was sent`, secret()],
  ["an API key, whose id stays", (s: string) => `hil_agent_abcdefghij12_${s}_0011aabb`, base62],
  ["a console session", (s: string) => `{"value":"hil_console_${s}"}`, secret()],
  ["a bearer", (s: string) => `{"authorization":"Bearer ${s}"}`, secret()],
  [
    "userinfo in a header",
    (s: string) => `authorization: Basic ${s}`,
    Buffer.from("a:b-secret").toString("base64"),
  ],
  ["a cookie in raw headers", (s: string) => `["cookie","hil_console=${s}; theme=dark"]`, secret()],
  ["a JSON Web Token", (s: string) => `token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.${s}`, secret()],
  ["a key in a path", (s: string) => `GET /k/${s}/api/poll/1?x=1`, secret()],
  ["a sign-in link", (s: string) => `http://127.0.0.1:8080/login#${s}`, secret()],
  [
    "a proxy's password",
    (s: string) => `connect ECONNREFUSED http://user:${s}@proxy.example:3128/`,
    secret(),
  ],
  [
    "a robot's key",
    (s: string) => `POST https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=${s} failed`,
    secret(),
  ],
  ["a code of a sign-in", (s: string) => `/login/oidc/callback?code=${s}&state=${s}`, secret()],
  [
    "a private key",
    (s: string) => `-----BEGIN PRIVATE KEY-----\\n${s}\\n-----END PRIVATE KEY-----`,
    secret(),
  ],
])("I12: %s does not stay in a line", (_, line, value) => {
  const scrubbed = scrubSecrets(line(value));
  expect(scrubbed).not.toContain(value);
  expect(scrubbed).toContain("[redacted]");
});

test("what is no secret stays", () => {
  const line = `{"level":"info","time":"2026-11-20T10:00:00.000Z","session_id":"0190b1c2-7b6e-7c1a-8a42-3f5f4e1d2c3b","tenant_id":"_default","key_id":"abcdefghij12","url":"http://127.0.0.1:8080/login","route":"/poll/{id}","msg":"answered"}`;
  expect(scrubSecrets(line)).toBe(line);
});

test("a line stays what JSON can be read from", () => {
  const line = JSON.stringify({
    err: { message: `Bearer ${secret()}`, stack: `at http://u:${secret()}@h/` },
    msg: "x",
  });
  expect(JSON.parse(scrubSecrets(line))).toMatchObject({ msg: "x" });
});

test.each([
  ["schemes", "a://"],
  ["userinfo without a host", "http://a:a:a:"],
  ["beginnings of private keys", "-----BEGIN PRIVATE KEY-----"],
  ["beginnings of tokens", "eyJ"],
  ["beginnings of keys", "hil_a_"],
  ["cookies", "cookie:a="],
])("a megabyte of %s is gone through in time that grows with its length", (_, part) => {
  // What takes the square of the length takes minutes here, and fails by the test's own limit.
  expect(scrubSecrets(part.repeat(1_000_000 / part.length)).length).toBeGreaterThan(0);
});
