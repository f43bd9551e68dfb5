import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { MessageTemplate_Kind, TenantPolicySchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { expect, test } from "vitest";
import { checkPolicy } from "./check-policy.ts";

type Policy = MessageInitShape<typeof TenantPolicySchema>;
const check = (policy: Policy) => checkPolicy(create(TenantPolicySchema, policy));
const minutes = (count: number) => durationFromMs(count * 60_000);
const question = (text: string, locale = "") => ({ kind: MessageTemplate_Kind.QUESTION, locale, text });

test.each<[string, Policy]>([
  ["nothing", {}],
  ["timeouts in order", { minTimeout: minutes(1), defaultTimeout: minutes(1), maxTimeout: minutes(1) }],
  ["a floor and no default", { minTimeout: minutes(5) }],
  ["a channel and a chat", { allowedChats: [{ channelId: "c" }], deniedChats: [{ chatId: "x" }] }],
  ["a night", { quietHours: { start: "22:00", end: "08:00", timeZone: "Asia/Shanghai" } }],
  ["a rule", { masking: { rules: [{ name: "employee number", pattern: "E[0-9]{6}" }] } }],
  [
    "two languages",
    { templates: [question("{body}", "en"), question("{body}", "zh-CN"), question("{body}")] },
  ],
])("%s is a policy", (_, policy) => {
  expect(check(policy)).toBeUndefined();
});

test.each<[string, Policy, string]>([
  ["a maximum below the floor", { minTimeout: minutes(2), maxTimeout: minutes(1) }, "max_timeout"],
  ["a default below the floor", { minTimeout: minutes(2), defaultTimeout: minutes(1) }, "default_timeout"],
  ["a default above the maximum", { defaultTimeout: minutes(2), maxTimeout: minutes(1) }, "default_timeout"],
  ["a pattern of nothing", { allowedChats: [{ chatId: "x" }, {}] }, "allowed_chats[1]"],
  ["a denial of nothing", { deniedChats: [{}] }, "denied_chats[0]"],
  [
    "hours without length",
    { quietHours: { start: "08:00", end: "08:00", timeZone: "UTC" } },
    "quiet_hours.end",
  ],
  [
    "a place that is no time zone",
    { quietHours: { start: "22:00", end: "08:00", timeZone: "Mars/Olympus" } },
    "quiet_hours.time_zone",
  ],
  ["a pattern that RE2 has not", { masking: { rules: [{ name: "x", pattern: "(a)\\1" }] } }, "masking"],
  ["a template without its body", { templates: [question("{title}")] }, "templates[0]"],
  ["a placeholder of another kind", { templates: [question("{body} {candidates}")] }, "templates[0]"],
  [
    "two templates for one language",
    { templates: [question("{body}"), question("{body}!")] },
    "templates[1]",
  ],
])("%s is refused, and the field is named", (_, policy, field) => {
  const problem = check(policy);
  expect(problem?.field).toBe(field);
  expect(problem?.problem.length).toBeGreaterThan(10);
});
