import type { Duration } from "@bufbuild/protobuf/wkt";
import {
  type ChatPattern,
  MessageTemplate_KindSchema,
  type TenantPolicy,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import { checkMasking } from "@hil/platform/masking/masker.ts";
import { checkTemplate } from "@hil/platform/templates/message-template.ts";

/** What is wrong with a policy, and where. */
export interface PolicyProblem {
  /** "quiet_hours.time_zone" */
  readonly field: string;
  /** What is wrong, and what would be right. */
  readonly problem: string;
}

/** The first thing in a policy that contradicts another or cannot be read; undefined for none. */
export function checkPolicy(policy: TenantPolicy): PolicyProblem | undefined {
  return (
    checkTimeouts(policy) ??
    checkChats("allowed_chats", policy.allowedChats) ??
    checkChats("denied_chats", policy.deniedChats) ??
    checkQuietHours(policy) ??
    checkMaskingRules(policy) ??
    checkTemplates(policy)
  );
}

function checkTimeouts({ minTimeout, defaultTimeout, maxTimeout }: TenantPolicy): PolicyProblem | undefined {
  const least = nanosOf(minTimeout);
  const usual = nanosOf(defaultTimeout);
  const most = nanosOf(maxTimeout);
  if (isLess(most, least)) {
    return {
      field: "max_timeout",
      problem: "is shorter than min_timeout, so that no timeout could be given",
    };
  }
  if (isLess(usual, least)) {
    return { field: "default_timeout", problem: "is shorter than min_timeout; make it at least as long" };
  }
  if (isLess(most, usual)) {
    return { field: "default_timeout", problem: "is longer than max_timeout; make it at most as long" };
  }
  return undefined;
}

function nanosOf(duration: Duration | undefined): bigint | undefined {
  return duration && duration.seconds * 1_000_000_000n + BigInt(duration.nanos);
}

function isLess(one: bigint | undefined, other: bigint | undefined): boolean {
  return one !== undefined && other !== undefined && one < other;
}

function checkChats(field: string, patterns: readonly ChatPattern[]): PolicyProblem | undefined {
  const empty = patterns.findIndex(({ channelId, chatId }) => channelId === "" && chatId === "");
  return empty < 0
    ? undefined
    : { field: `${field}[${empty}]`, problem: "names neither a channel nor a chat; name at least one" };
}

function checkQuietHours({ quietHours }: TenantPolicy): PolicyProblem | undefined {
  if (!quietHours) return undefined;
  if (quietHours.start === quietHours.end) {
    return { field: "quiet_hours.end", problem: "is the same as start; leave quiet_hours out for none" };
  }
  try {
    new Intl.DateTimeFormat("en", { timeZone: quietHours.timeZone });
    return undefined;
  } catch {
    return {
      field: "quiet_hours.time_zone",
      problem: `${JSON.stringify(quietHours.timeZone)} is no time zone; send an IANA name such as "Asia/Shanghai"`,
    };
  }
}

function checkMaskingRules({ masking }: TenantPolicy): PolicyProblem | undefined {
  const problem = checkMasking(masking);
  return problem === undefined ? undefined : { field: "masking", problem };
}

function checkTemplates({ templates }: TenantPolicy): PolicyProblem | undefined {
  const seen = new Set<string>();
  for (const [index, template] of templates.entries()) {
    const field = `templates[${index}]`;
    const problem = checkTemplate(template);
    if (problem !== undefined) return { field, problem };
    const key = `${template.kind} ${template.locale}`;
    if (seen.has(key)) {
      const kind = MessageTemplate_KindSchema.value[template.kind]?.localName;
      return { field, problem: `there is another ${kind} for the same language; keep one of them` };
    }
    seen.add(key);
  }
  return undefined;
}
