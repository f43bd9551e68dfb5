import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatApiKey, newApiKeyId, newApiKeySecret, parseApiKey } from "./api-key.ts";

const parts = () => ({ id: newApiKeyId(), secret: newApiKeySecret() });

test("a key reads back as it was made, and is named for its highest role", () => {
  for (let each = 0; each < 200; each++) {
    const made = parts();
    const key = formatApiKey(made, [Role.AGENT, Role.ADMINISTRATOR]);
    expect(key).toMatch(/^hil_admin_[a-z0-9]{12}_[0-9A-Za-z]{43}_[0-9a-f]{8}$/);
    expect(parseApiKey(key)).toEqual(made);
  }
});

test("a key with one character changed is none", () => {
  const key = formatApiKey(parts(), [Role.AGENT]);
  for (let at = 0; at < key.length; at++) {
    const changed = `${key.slice(0, at)}${key[at] === "7" ? "8" : "7"}${key.slice(at + 1)}`;
    expect(parseApiKey(changed), changed).toBeUndefined();
  }
});

test("text is never taken for a key", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200, unit: "binary" }), (text) => {
      expect(parseApiKey(text)).toBeUndefined();
    }),
  );
  for (const key of ["", "hil_owner_abc", "hil_root_aaaaaaaaaaaa_x_00000000"])
    expect(parseApiKey(key)).toBeUndefined();
});

test("secrets have 256 bits and do not repeat", () => {
  const secrets = new Set(Array.from({ length: 1000 }, newApiKeySecret));
  expect(secrets.size).toBe(1000);
  for (const secret of secrets) expect(secret).toHaveLength(43);
});
