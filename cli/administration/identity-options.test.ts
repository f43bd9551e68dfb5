import { Identity_Kind } from "@hil/gen/hil/access/v1/access_pb.ts";
import { expect, test } from "vitest";
import { identitiesOf, identityOf, identityWords } from "./identity-options.ts";

test("each flag names an identity of its kind", () => {
  expect(identitiesOf({ wecom: "lilei", email: "li@example.com" })).toMatchObject([
    { kind: Identity_Kind.WECOM_USER, value: "lilei", issuer: "" },
    { kind: Identity_Kind.EMAIL, value: "li@example.com", issuer: "" },
  ]);
});

test("--issuer belongs to the one identity that has one, beside an e-mail address too", () => {
  const issuer = "https://id.example.com";
  expect(identitiesOf({ oidc: "123", email: "li@example.com", issuer })).toMatchObject([
    { kind: Identity_Kind.EMAIL, issuer: "" },
    { kind: Identity_Kind.OIDC_SUBJECT, value: "123", issuer },
  ]);
  expect(() => identitiesOf({ wecom: "a", openid: "b", issuer })).toThrow("--issuer needs");
  expect(() => identitiesOf({ email: "li@example.com", issuer })).toThrow("--issuer needs");
  expect(() => identitiesOf({ oidc: "123" })).toThrow("--oidc needs --issuer");
});

test("linking takes exactly one", () => {
  expect(() => identityOf({})).toThrow("name one identity");
  expect(() => identityOf({ wecom: "a", email: "b" })).toThrow("name one identity");
  expect(identityWords(identityOf({ openid: "o1", issuer: "wx1" }))).toBe("openid o1 (wx1)");
});
