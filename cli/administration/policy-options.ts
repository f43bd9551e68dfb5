// The flags that say what holds for a tenant, as commander reads them.

import type { Duration } from "@bufbuild/protobuf/wkt";
import { LimitsSchema, Masking_KindSchema, type Masking_Rule } from "@hil/gen/hil/access/v1/access_pb.ts";
import { type Command, InvalidArgumentError } from "commander";
import { enumWords } from "../enum-words.ts";
import { collect, readLength } from "../option-values.ts";
import type { Terminal } from "../terminal.ts";
import { collectChatPatterns } from "./chat-pattern.ts";
import { DEFAULT, type LimitSetting, type PolicyOptions } from "./policy-edit.ts";

const LIMIT_NAMES = LimitsSchema.fields.map(({ name }) => name);

/** What `--policy` and the flags together say. */
export interface GivenPolicy extends PolicyOptions {
  /** A file that holds the whole policy. */
  readonly policy?: string;
}

/** The names of the flags' values, to tell whether any was given. */
export const POLICY_FLAGS: readonly (keyof PolicyOptions)[] = [
  "defaultTimeout",
  "maxTimeout",
  "minTimeout",
  "retention",
  "locale",
  "quietHours",
  "timeZone",
  "allowChat",
  "denyChat",
  "forgetChat",
  "limit",
  "maskRule",
  "removeMaskRule",
  "mask",
  "unmask",
];

/** Adds the flags to a command. */
export function addPolicyOptions(command: Command, t: Terminal["t"]): Command {
  return command
    .option(
      "--default-timeout <time>",
      t("how long people have where the asker does not say", "提问者未指定时的回答时限"),
      readLengthOrDefault,
    )
    .option(
      "--max-timeout <time>",
      t("the longest that an asker may give", "提问者可指定的最长时限"),
      readLengthOrDefault,
    )
    .option(
      "--min-timeout <time>",
      t("the shortest that an asker may give", "提问者可指定的最短时限"),
      readLengthOrDefault,
    )
    .option(
      "--retention <time>",
      t("how long ended questions are kept", "已结束提问的保留时间"),
      readLengthOrDefault,
    )
    .option("--locale <language>", t("zh-CN or en", "zh-CN 或 en"), readLocale)
    .option(
      "--quiet-hours <hours>",
      t("when nothing is sent to chats: 22:00-08:00, or none", "免打扰时段：22:00-08:00，或 none"),
      readQuietHours,
    )
    .option(
      "--time-zone <zone>",
      t("the zone of the quiet hours: Asia/Shanghai", "免打扰时段的时区：Asia/Shanghai"),
    )
    .option(
      "--allow-chat <channel/chat>",
      t(
        "its askers may send there, and only where that is said; repeat it",
        "允许发送到的会话（设置后仅限这些），可重复",
      ),
      collectChatPatterns,
    )
    .option(
      "--deny-chat <channel/chat>",
      t("its askers may not send there; repeat it", "禁止发送到的会话，可重复"),
      collectChatPatterns,
    )
    .option(
      "--forget-chat <channel/chat>",
      t("neither allowed nor denied any more; repeat it", "从允许与禁止列表中移除，可重复"),
      collectChatPatterns,
    )
    .option(
      "--limit <name=number>",
      t(
        `how much it may use, 0 for no limit; only an owner says; repeat it: ${LIMIT_NAMES.join(", ")}`,
        `用量上限，0 表示不限，仅所有者可设置，可重复：${LIMIT_NAMES.join("、")}`,
      ),
      collectLimits,
    )
    .option(
      "--mask-rule <name=pattern>",
      t("what else is masked in messages, in RE2 syntax; repeat it", "额外的脱敏规则（RE2 语法），可重复"),
      collectRules,
    )
    .option(
      "--remove-mask-rule <name>",
      t("takes such a rule away; repeat it", "移除脱敏规则，可重复"),
      collect,
    )
    .option(
      "--unmask <kind>",
      t(
        `lets through what HIL masks by itself; repeat it: ${enumWords(Masking_KindSchema).join(", ")}`,
        `不再自动脱敏的类别，可重复：${enumWords(Masking_KindSchema).join("、")}`,
      ),
      collect,
    )
    .option("--mask <kind>", t("masks it again; repeat it", "恢复自动脱敏，可重复"), collect)
    .option(
      "--policy <file>",
      t(
        'the whole policy from a YAML or JSON file ("-": stdin), as "hil tenant show --policy" prints it',
        '从 YAML 或 JSON 文件读取完整策略（"-" 为标准输入），格式同 "hil tenant show --policy"',
      ),
    );
}

function readLengthOrDefault(text: string): Duration | typeof DEFAULT {
  return text === DEFAULT ? DEFAULT : readLength(text);
}

function readLocale(text: string): string {
  if (text === "zh-CN" || text === "en" || text === DEFAULT) return text;
  throw new InvalidArgumentError("write zh-CN, en or default");
}

function readQuietHours(text: string): PolicyOptions["quietHours"] {
  if (text === "none") return "none";
  const [, start, end] = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text) ?? [];
  if (start === undefined || end === undefined) throw new InvalidArgumentError("write 22:00-08:00, or none");
  return { start, end };
}

function collectLimits(text: string, earlier: readonly LimitSetting[] = []): LimitSetting[] {
  const [, name, digits] = /^([a-z_]+)=(\d{1,15})$/.exec(text.replaceAll("-", "_")) ?? [];
  const field = LimitsSchema.fields.find((each) => each.name === name);
  if (!field) {
    throw new InvalidArgumentError(`write NAME=NUMBER with one of ${LIMIT_NAMES.join(", ")}`);
  }
  const amount = Number(digits);
  if (field.name !== "attachment_bytes" && amount > 0xffff_ffff) {
    throw new InvalidArgumentError(`${digits} is more than can be counted; 0 means no limit`);
  }
  return [...earlier, { name: field.localName as LimitSetting["name"], amount }];
}

type RuleText = Pick<Masking_Rule, "name" | "pattern">;

function collectRules(text: string, earlier: readonly RuleText[] = []): RuleText[] {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1) {
    throw new InvalidArgumentError('write NAME=PATTERN: "employee number=E[0-9]{6}"');
  }
  return [...earlier, { name: text.slice(0, at), pattern: text.slice(at + 1) }];
}
