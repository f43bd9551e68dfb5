import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { createValidator } from "@bufbuild/protovalidate";
import { Masking_Kind, TenantPolicySchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Command } from "commander";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CommandError, EXIT } from "../exit-code.ts";
import { editPolicy } from "./policy-edit.ts";
import { policyFile, policyYaml, readPolicyFile } from "./policy-file.ts";
import { addPolicyOptions, type GivenPolicy, POLICY_FLAGS } from "./policy-options.ts";

/** What the flags on a command line say. */
function flags(...words: string[]): GivenPolicy {
  const command = addPolicyOptions(new Command(), (en) => en)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return command.parse(words, { from: "user" }).opts();
}
const edited = (current: Parameters<typeof editPolicy>[0], ...words: string[]) =>
  editPolicy(current, flags(...words));
const usageError = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return error instanceof CommandError && error.exitCode === EXIT.usage ? error.message : error;
  }
  return undefined;
};

const all = [
  ...["--default-timeout", "20m", "--max-timeout", "8h", "--min-timeout", "1m", "--retention", "90d"],
  ...["--locale", "en", "--quiet-hours", "22:00-08:00", "--time-zone", "Asia/Shanghai"],
  ...["--allow-chat", "wecom-robot/wrk1", "--deny-chat", "wecom-robot/wrk2"],
  ...["--limit", "open_sessions=100", "--limit", "attachment-bytes=9000000000"],
  ...["--mask-rule", "employee number=E[0-9]=?", "--unmask", "phone_number"],
];

test("every flag says something, and what they say together keeps the contract's rules", () => {
  const policy = edited(undefined, ...all);
  expect(policyYaml(policy)).toBe(
    [
      "default_timeout: 1200s",
      "max_timeout: 28800s",
      "min_timeout: 60s",
      "allowed_chats:",
      "  - channel_id: wecom-robot",
      "    chat_id: wrk1",
      "denied_chats:",
      "  - channel_id: wecom-robot",
      "    chat_id: wrk2",
      "locale: en",
      "quiet_hours:",
      "  start: 22:00",
      "  end: 08:00",
      "  time_zone: Asia/Shanghai",
      "retention: 7776000s",
      "limits:",
      "  open_sessions: 100",
      '  attachment_bytes: "9000000000"',
      "masking:",
      "  disabled_kinds:",
      "    - KIND_PHONE_NUMBER",
      "  rules:",
      "    - name: employee number",
      "      pattern: E[0-9]=?",
    ].join("\n"),
  );
  expect(createValidator().validate(TenantPolicySchema, policy).kind).toBe("valid");
});

test("a flag that the list of flags forgets would be ignored", () => {
  const words = [...all, "--forget-chat", "x", "--remove-mask-rule", "y", "--mask", "credential"];
  const given = Object.keys(flags(...words)).sort();
  expect(given).toEqual([...POLICY_FLAGS].sort());
});

test("a flag leaves every other field as it is", () => {
  const before = edited(undefined, ...all);
  const after = edited(before, "--max-timeout", "1d");
  expect(after).toEqual({ ...before, maxTimeout: durationFromMs(86_400_000) });
});

test("default gives a field back to the deployment's settings", () => {
  const given = ["--default-timeout", "--max-timeout", "--min-timeout", "--retention", "--locale"];
  const before = edited(undefined, ...all);
  const after = edited(before, ...given.flatMap((flag) => [flag, "default"]));
  for (const field of ["defaultTimeout", "maxTimeout", "minTimeout", "retention"] as const) {
    expect(before[field]).toBeDefined();
    expect(after[field]).toBeUndefined();
  }
  expect(after.locale).toBe("");
});

test("a chat is allowed or denied by the last word on it, or neither", () => {
  const chats = (policy: ReturnType<typeof edited>) => [
    policy.allowedChats.map(({ chatId }) => chatId),
    policy.deniedChats.map(({ chatId }) => chatId),
  ];
  const before = edited(undefined, "--allow-chat", "c/1", "--allow-chat", "c/2", "--deny-chat", "c/3");
  expect(chats(before)).toEqual([["1", "2"], ["3"]]);
  expect(chats(edited(before, "--deny-chat", "c/1", "--allow-chat", "c/3"))).toEqual([["2", "3"], ["1"]]);
  expect(chats(edited(before, "--forget-chat", "c/1", "--forget-chat", "c/3"))).toEqual([["2"], []]);
  expect(chats(edited(before, "--allow-chat", "c/1"))).toEqual([["2", "1"], ["3"]]);
});

test.each([
  ["wecom-robot/wrk1", "wecom-robot", "wrk1"],
  ["wecom-robot", "wecom-robot", ""],
  ["wecom-robot/*", "wecom-robot", ""],
  ["*/wrk1", "", "wrk1"],
  ["/wrk1", "", "wrk1"],
  ["*", "", ""],
  ["c/a/b", "c", "a/b"],
])("the chat %s", (text, channelId, chatId) => {
  expect(edited(undefined, "--deny-chat", text).deniedChats).toMatchObject([{ channelId, chatId }]);
});

test("quiet hours keep their zone, and end with none", () => {
  const before = edited(undefined, ...all);
  expect(edited(before, "--quiet-hours", "23:00-07:00").quietHours).toMatchObject({
    start: "23:00",
    timeZone: "Asia/Shanghai",
  });
  expect(edited(before, "--quiet-hours", "none").quietHours).toBeUndefined();
  expect(usageError(() => edited(undefined, "--quiet-hours", "23:00-07:00"))).toContain("--time-zone");
  expect(usageError(() => edited(undefined, "--time-zone", "UTC"))).toContain("--quiet-hours");
});

test("masking rules are replaced by name and taken away, and kinds are switched off and on", () => {
  const before = edited(undefined, "--mask-rule", "a=1", "--mask-rule", "b=2", "--unmask", "card-number");
  const after = edited(before, "--mask-rule", "a=3", "--remove-mask-rule", "b", "--mask", "card_number");
  expect(after.masking).toMatchObject({ rules: [{ name: "a", pattern: "3" }], disabledKinds: [] });
  expect(before.masking?.disabledKinds).toEqual([Masking_Kind.CARD_NUMBER]);
  expect(usageError(() => edited(before, "--remove-mask-rule", "c"))).toContain('"c"');
  expect(usageError(() => edited(before, "--unmask", "names"))).toContain("phone_number");
});

test.each([
  [["--default-timeout", "soon"]],
  [["--limit", "sessions=5"]],
  [["--limit", "open_sessions=many"]],
  [["--limit", "open_sessions=4294967296"]],
  [["--quiet-hours", "22-8"]],
  [["--locale", "fr"]],
  [["--mask-rule", "no pattern"]],
  [["--mask-rule", "=x"]],
  [["--deny-chat", ""]],
])("%j is refused by the command line", (words) => {
  expect(() => flags(...words)).toThrow();
});

test("a policy that is printed for an editor reads back as it was", () => {
  const grapheme = fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 });
  const awkward = fc.constantFrom(..."\n\r\t #:-\u0085\u00a0\u2028\u3000\ufeff");
  const text = fc.string({ unit: fc.oneof(grapheme, awkward), minLength: 1, maxLength: 40 });
  const rule = fc.record({ name: text, pattern: text });
  const template = fc.record({ kind: fc.constantFrom(1, 2, 3, 4), locale: fc.constantFrom("", "en"), text });
  const policy = fc.record({
    defaultTimeout: fc.option(fc.integer({ min: 1, max: 1e11 }).map(durationFromMs), { nil: undefined }),
    locale: fc.constantFrom("", "zh-CN", "en"),
    allowedChats: fc.array(fc.record({ channelId: text, chatId: text }), { maxLength: 3 }),
    masking: fc.option(fc.record({ rules: fc.array(rule, { maxLength: 3 }) }), { nil: undefined }),
    templates: fc.array(template, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(policy, (init) => {
      const wanted = create(TenantPolicySchema, init);
      const file = policyFile({ id: "shop", version: 3n, policy: wanted } as never);
      expect(readPolicyFile(file, "shop.yaml")).toEqual(wanted);
    }),
  );
});

test("an empty policy reads back as one that leaves everything to the deployment", () => {
  const file = policyFile({ id: "shop", version: 1n, policy: undefined } as never);
  expect(readPolicyFile(file, "shop.yaml")).toEqual(create(TenantPolicySchema));
});

test("a policy file may be JSON, by the names of either form", () => {
  expect(readPolicyFile('{"defaultTimeout": "60s", "max_timeout": "90s"}', "p")).toMatchObject({
    defaultTimeout: { seconds: 60n },
    maxTimeout: { seconds: 90n },
  });
});

test.each([
  ["default_timeout: 20m", '"20m": write seconds'],
  ["default_timout: 60s", '"default_timout" is unknown'],
  ["- a", "is no policy"],
  ["just words", "is no policy"],
  ["a: [", "cannot be read as YAML"],
  ["locale: &a en\ntemplates: [*a]", "cannot be read as YAML"],
  ["limits: {open_sessions: -1}", "open_sessions"],
  ["quiet_hours: !!js/function 'x'", "QuietHours"],
])("the file %j is refused in words", (text, words) => {
  expect(usageError(() => readPolicyFile(text, "p.yaml"))).toContain(words);
});
