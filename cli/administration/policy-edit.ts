// What the flags of `hil tenant create` and `hil tenant update` make of a policy. Pure.
//
// A flag changes its field and leaves the others. The word "default" gives a field back to the deployment's settings.

import { clone, create } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import {
  type ChatPattern,
  type Limits,
  LimitsSchema,
  type Masking_Kind,
  Masking_KindSchema,
  type Masking_Rule,
  MaskingSchema,
  QuietHoursSchema,
  type TenantPolicy,
  TenantPolicySchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import { enumWords, readEnumWord } from "../enum-words.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { isSameChat } from "./chat-pattern.ts";

/** Gives a field back to what the deployment's environment says. */
export const DEFAULT = "default";

/** The flags, read one by one. */
export interface PolicyOptions {
  readonly defaultTimeout?: Duration | typeof DEFAULT;
  readonly maxTimeout?: Duration | typeof DEFAULT;
  readonly minTimeout?: Duration | typeof DEFAULT;
  readonly retention?: Duration | typeof DEFAULT;
  readonly locale?: string;
  readonly quietHours?: { readonly start: string; readonly end: string } | "none";
  readonly timeZone?: string;
  readonly allowChat?: readonly ChatPattern[];
  readonly denyChat?: readonly ChatPattern[];
  readonly forgetChat?: readonly ChatPattern[];
  readonly limit?: readonly LimitSetting[];
  readonly maskRule?: readonly Pick<Masking_Rule, "name" | "pattern">[];
  readonly removeMaskRule?: readonly string[];
  readonly mask?: readonly string[];
  readonly unmask?: readonly string[];
}

export interface LimitSetting {
  readonly name: Exclude<keyof Limits, "$typeName" | "$unknown">;
  readonly amount: number;
}

/** The policy with the flags worked in. Throws a CommandError where they contradict each other. */
export function editPolicy(current: TenantPolicy | undefined, options: PolicyOptions): TenantPolicy {
  const policy = current ? clone(TenantPolicySchema, current) : create(TenantPolicySchema);
  for (const field of ["defaultTimeout", "maxTimeout", "minTimeout", "retention"] as const) {
    const said = options[field];
    if (said !== undefined) policy[field] = said === DEFAULT ? undefined : said;
  }
  if (options.locale !== undefined) policy.locale = options.locale === DEFAULT ? "" : options.locale;
  editQuietHours(policy, options);
  editChats(policy, options);
  if (options.limit) {
    policy.limits = create(LimitsSchema, policy.limits);
    for (const { name, amount } of options.limit) setLimit(policy.limits, name, amount);
  }
  editMasking(policy, options);
  return policy;
}

function editQuietHours(policy: TenantPolicy, { quietHours, timeZone }: PolicyOptions): void {
  if (quietHours === "none") {
    policy.quietHours = undefined;
    return;
  }
  if (quietHours === undefined && timeZone === undefined) return;
  const { start, end } = quietHours ?? policy.quietHours ?? {};
  const zone = timeZone ?? policy.quietHours?.timeZone;
  if (start === undefined || end === undefined) throw wrong("--time-zone needs --quiet-hours 22:00-08:00");
  if (!zone) throw wrong("--quiet-hours needs --time-zone, such as Asia/Shanghai");
  policy.quietHours = create(QuietHoursSchema, { start, end, timeZone: zone });
}

/** A chat is allowed or denied, not both: the last word counts. */
function editChats(
  policy: TenantPolicy,
  { allowChat = [], denyChat = [], forgetChat = [] }: PolicyOptions,
): void {
  const both = allowChat.find((chat) => denyChat.some((other) => isSameChat(chat, other)));
  if (both) throw wrong("--allow-chat and --deny-chat name the same chat");
  const named = [...allowChat, ...denyChat, ...forgetChat];
  const others = (chats: readonly ChatPattern[]) =>
    chats.filter((chat) => !named.some((other) => isSameChat(chat, other)));
  policy.allowedChats = [...others(policy.allowedChats), ...allowChat];
  policy.deniedChats = [...others(policy.deniedChats), ...denyChat];
}

function setLimit(limits: Limits, name: LimitSetting["name"], amount: number): void {
  if (name === "attachmentBytes") limits.attachmentBytes = BigInt(amount);
  else limits[name] = amount;
}

function editMasking(policy: TenantPolicy, options: PolicyOptions): void {
  const { maskRule = [], removeMaskRule = [], mask = [], unmask = [] } = options;
  if (maskRule.length + removeMaskRule.length + mask.length + unmask.length === 0) return;
  const { disabledKinds = [], rules = [] } = policy.masking ?? {};
  const replaced = new Set([...maskRule.map(({ name }) => name), ...removeMaskRule]);
  const unknown = removeMaskRule.find((name) => !rules.some((rule) => rule.name === name));
  if (unknown !== undefined) throw wrong(`there is no masking rule ${JSON.stringify(unknown)}`);
  const [on, off] = [mask.map(readMaskingKind), unmask.map(readMaskingKind)];
  const kinds = new Set([...disabledKinds, ...off]);
  for (const kind of on) kinds.delete(kind);
  policy.masking = create(MaskingSchema, {
    disabledKinds: [...kinds],
    rules: [...rules.filter(({ name }) => !replaced.has(name)), ...maskRule],
  });
}

function readMaskingKind(text: string): Masking_Kind {
  const kind = readEnumWord(Masking_KindSchema, text);
  if (kind === undefined) {
    throw wrong(
      `${JSON.stringify(text)} is nothing that HIL masks: ${enumWords(Masking_KindSchema).join(", ")}`,
    );
  }
  return kind as Masking_Kind;
}

function wrong(sentence: string): CommandError {
  return new CommandError(EXIT.usage, sentence);
}
