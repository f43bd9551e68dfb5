import { randomBytes } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Masking_Kind, MaskingSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkMasking, createMasker } from "./masker.ts";
import { canarySecrets } from "./testing/canary-secrets.ts";

const mask = createMasker(undefined);

function maskerOf(masking: MessageInitShape<typeof MaskingSchema>) {
  return createMasker(create(MaskingSchema, masking));
}

test("S5: of 200 canary secrets of every kind none survives, alone, in a sentence, in code or side by side", () => {
  const secrets = canarySecrets(200);
  expect(new Set(secrets.map(({ secret }) => secret)).size).toBe(200);
  for (const { kind, secret, shown } of secrets) {
    const texts = [
      shown,
      `Please check ${shown}, then go on.`,
      `请检查 ${shown} 再继续。`,
      `(${shown})`,
      `first line\n${shown}\nlast line`,
      `- ${shown}\n- ${shown}`,
    ];
    for (const text of texts) {
      const masked = mask(text);
      expect(masked, kind).not.toContain(secret);
      expect(masked, kind).toContain("[masked: ");
    }
  }
  const all = mask(secrets.map(({ shown }) => shown).join("\n"));
  for (const { kind, secret } of secrets) expect(all, kind).not.toContain(secret);
});

test.each([
  "Deploy build 214 of order 20261121000123 to production?",
  "Order ORD-13812345678 and order no. 4000123412341234567",
  "id 550e8400-e29b-41d4-a716-446655440000, run 0199f0a0-0000-7000-8000-000000000001",
  "commit 8d5f8350dd60b52bc14d83f3f9ab1c2d3e4f5061 (8d5f835) on main",
  "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  "It costs ¥12,345.67, or $1,234,567.89, or 1 234 567 Kč",
  "2026-11-21 09:26:16 +08:00, 1763716576, 1763716576123, 20261121T092616Z",
  "[#abc12345 project] Deploy?",
  "[#1f0c9ab2 hil-mcp] 请确认是否上线，预计 20 分钟",
  "mail lina@example.com or see https://example.com/a/b?page=2&sort=name#top",
  "ssh://git@github.com/acme/app.git and git@github.com:acme/app.git",
  "version 1.2.3-beta.4, 192.168.100.200:8080, fe80::1, #13812345678",
  "The token is expired; the password is wrong. Password: required. token: expired",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: that is the text
  "max_tokens=4096, tokens: 128000, secrets: none, password=${DB_PASSWORD}, token: <your token>",
  "Which key opens the door? The secret is out, and the secretary knows. 密码是什么？请输入密码。",
  "sk-learn and task-runner-for-the-night, hil_session_reminders_of_the_week",
  "a very-long-branch-name-with-many-words-in-it and some_snake_case_name_that_goes_on",
  "diff: +2026-11-21 09:26:16 ready\n+1000000 rows\n-    return 42;",
  "4-4-4-4 is a formation; pages 1234-5678; 3.14159265358979; 1/3; 50%; 10:30–11:45",
  "| a | b |\n|---|---|\n| 1000 | 2000 |\n| 3000 | 4000 |",
  "emoji 👨‍👩‍👧‍👦 and नमस्ते‍ stay",
])("ordinary text stays as it is: %s", (text) => {
  expect(mask(text)).toBe(text);
});

test("M1: what is masked keeps the words around it", () => {
  const cases: [string, string][] = [
    ["DB_PASSWORD=hunter2 ./run", "DB_PASSWORD=[masked: password] ./run"],
    ["password: hunter2, then", "password: [masked: password], then"],
    ['{"password":"two words","user":"lina"}', '{"password":"[masked: password]","user":"lina"}'],
    ["数据库密码：Abc123456，请确认", "数据库密码：[masked: password]，请确认"],
    ["postgres://hil:hunter2@db:5432/hil", "postgres://[masked: password]@db:5432/hil"],
    ["call 138 1234 5678 now", "call [masked: phone number] now"],
    ["+1 (415) 555-2671.", "[masked: phone number]."],
    ["card 4111 1111 1111 1111 exp 12/29", "card [masked: card number] exp 12/29"],
    [
      "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nafter",
      "[masked: private key]\nafter",
    ],
    ["Authorization: Bearer abcDEF0123456789abcd", "Authorization: Bearer [masked: secret]"],
    [
      "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7e0b-4bc4-97a0-0ec2f0a5aaaa ok",
      "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=[masked: secret] ok",
    ],
  ];
  for (const [text, masked] of cases) expect(mask(text)).toBe(masked);
});

test("a private key without an end goes on to the end of the text", () => {
  expect(mask("see -----BEGIN PRIVATE KEY-----\nMIIE\nmore words")).toBe("see [masked: private key]");
});

test("M4: a secret that invisible characters cut in pieces is found as people see it", () => {
  const key = `ghp_${"a1B2".repeat(9)}`;
  for (const hidden of ["\u200b", "\u200d", "\u00ad", "\u2060", "\u202e"]) {
    const cut = [...key].join(hidden);
    expect(mask(`use ${cut} here`)).toBe("use [masked: API key] here");
  }
});

test("kinds can be switched off, each for itself", () => {
  const text = "password=hunter2 4111111111111111 13812345678 -----BEGIN PRIVATE KEY-----";
  const off = (kind: Masking_Kind) => maskerOf({ disabledKinds: [kind] })(text);
  expect(off(Masking_Kind.CREDENTIAL)).toContain("password=hunter2 [masked: card number]");
  expect(off(Masking_Kind.CARD_NUMBER)).toContain("[masked: password] 4111111111111111 [masked");
  expect(off(Masking_Kind.PHONE_NUMBER)).toContain(" 13812345678 ");
  expect(off(Masking_Kind.PRIVATE_KEY)).toContain("-----BEGIN PRIVATE KEY-----");
});

test("a tenant's own rule stands in for what it finds by its name", () => {
  const own = maskerOf({ rules: [{ name: "employee number", pattern: "\\bE[0-9]{6}\\b" }] });
  expect(own("😀 E123456 and E1234567, 4111111111111111")).toBe(
    "😀 [employee number] and E1234567, [masked: card number]",
  );
});

test("rules that cannot be kept are refused with the reason", () => {
  const problem = (name: string, pattern: string) =>
    checkMasking(create(MaskingSchema, { rules: [{ name, pattern }] }));
  expect(problem("n", "E[0-9]+")).toBeUndefined();
  expect(problem("n", "(")).toMatch(/not in RE2 syntax: missing closing \)/);
  expect(problem("n", "(?=a)")).toMatch(/not in RE2 syntax/);
  expect(problem("n", "(a)\\1")).toMatch(/not in RE2 syntax/);
  expect(problem("n", "a*")).toMatch(/finds the empty text/);
  expect(problem("n", "(?:[a-z]{1,900}[0-9]{1,900}){1}")).toMatch(/too large/);
  expect(problem("a]b", "a")).toMatch(/without brackets/);
  expect(checkMasking(undefined)).toBeUndefined();
});

const pieces = fc.oneof(
  fc.constantFrom(
    "password=",
    "token: ",
    "sk-",
    "ghp_",
    "eyJ",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "https://",
    "@",
    "?key=",
    "[masked: API key]",
    "[masked: password]",
    "[x]",
    "[",
    "]",
    '"',
    "'",
    " ",
    "\n",
    ".",
    "4111 1111 1111 1111",
    "13812345678",
    "+8613812345678",
    "-",
    "#",
    "\u200b",
    "密码：",
    "是",
    "Bearer ",
    "é",
    "😀",
  ),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.stringMatching(/^[A-Za-z0-9_-]{0,40}$/),
);
const anyText = fc.array(pieces, { maxLength: 20 }).map((parts) => parts.join(""));

test("M2: masking twice is masking once, for any text, and nothing throws", () => {
  const own = maskerOf({
    rules: [
      { name: "x", pattern: "[0-9]{3,5}|abc" },
      { name: "y", pattern: "(?s)e.*z" },
    ],
  });
  fc.assert(
    fc.property(anyText, (text) => {
      const once = mask(text);
      expect(mask(once)).toBe(once);
      const ownOnce = own(text);
      expect(own(ownOnce)).toBe(ownOnce);
    }),
    { numRuns: 3000 },
  );
});

test("M3: a megabyte of what a pattern begins with is looked through, which in square would take hours", () => {
  const starts = [
    "token=",
    "password: ",
    "password='",
    "密码是",
    "sk-aaaaaaaaaaaaaaaaaaaaa1-",
    "eyJaaaaaaaaaaa-",
    "-----BEGIN PRIVATE KEY-----",
    "a://b:c@",
    "https://x:y",
    "?token=aaaaaaaa",
    "token aaaaaaaaaaaaaaaaa1 ",
    "https://hooks.slack.com/services/a",
    "4111 ",
    "1 ",
    "138 1234 567 ",
    "+1 2 3 4 5 6 ",
    "[masked: ",
    "\u200b",
    "a",
  ];
  for (const start of starts) {
    const masked = mask(start.repeat(1_000_000 / start.length));
    expect(masked.length, start).toBeGreaterThan(0);
  }
  const own = maskerOf({
    rules: [
      { name: "to the end", pattern: "(?s)a.*z|a" },
      { name: "nested", pattern: "(([a-z]+)+)+!" },
    ],
  });
  expect(own("a".repeat(1_000_000))).toContain("[to the end]");
});

test("a rule whose searches run out of their budget hides the rest of the text rather than showing it", () => {
  const own = maskerOf({ rules: [{ name: "r", pattern: "(?s)q.*z|q" }] });
  const masked = own(`${"q ".repeat(25_000)}secret`);
  expect(masked).toMatch(/^\[r\] \[r\] .*\[r\]$/);
  expect(masked).not.toContain("secret");
  expect(own("q and q")).toBe("[r] and [r]");
});

test("random bytes as text never throw", () => {
  for (let run = 0; run < 200; run += 1)
    expect(typeof mask(randomBytes(2_000).toString("latin1"))).toBe("string");
});
