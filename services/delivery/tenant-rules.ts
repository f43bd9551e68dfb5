// What a tenant's policy lays down for its messages, and the environment where it says nothing.

import { equals } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { type Locale, localeOf } from "@hil/channels/channel.ts";
import {
  type ChatPattern,
  type Masking,
  MaskingSchema,
  MessageTemplate_Kind,
  type Tenant,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import type { Session } from "@hil/gen/hil/session/v1/session_pb.ts";
import type { TenantDirectory } from "@hil/platform/auth/tenant-directory.ts";
import { createMasker, type Masker } from "@hil/platform/masking/masker.ts";
import { templateFor } from "@hil/platform/templates/message-template.ts";
import type { DeliverySettings } from "./config.ts";
import { sendTimeOf } from "./quiet-hours.ts";

/** What holds for the messages of one tenant. */
export interface TenantRules {
  /** The language of test messages. */
  readonly locale: Locale;
  readonly retentionMs: number;
  /** Takes secrets out of what a channel is given. */
  readonly mask: Masker;
  /** The tenant's own words for a session. Undefined: none. */
  templateOf(session: Session): string | undefined;
  /** When something may be sent that is due now: now, or the end of quiet hours that comes before its deadline. */
  sendTime(nowMs: number, giveUpTimeMs: number): number;
  /** Whether the tenant lets its askers send to this chat. */
  mayAskIn(chat: { readonly channelId: string; readonly chatId: string }): boolean;
}

/** Reads the rules of tenants, each once for as long as the tenant stays the same. */
export function createTenantRules({
  tenants,
  settings,
}: {
  tenants: TenantDirectory;
  settings: DeliverySettings;
}): (tenantId: string) => TenantRules | Promise<TenantRules> {
  const known = new WeakMap<Tenant, TenantRules>();
  const maskers = createMaskers();
  const rulesOf = (tenantId: string, tenant: Tenant): TenantRules => {
    let rules = known.get(tenant);
    if (!rules) {
      rules = readRules(tenant, settings, maskers(tenantId, tenant.policy?.masking));
      known.set(tenant, rules);
    }
    return rules;
  };
  return (tenantId) => {
    const tenant = tenants.get(tenantId);
    return tenant instanceof Promise
      ? tenant.then((each) => rulesOf(tenantId, each))
      : rulesOf(tenantId, tenant);
  };
}

function readRules({ policy }: Tenant, settings: DeliverySettings, mask: Masker): TenantRules {
  const { allowedChats = [], deniedChats = [], templates = [], quietHours } = policy ?? {};
  return {
    mask,
    locale: policy?.locale === "zh-CN" || policy?.locale === "en" ? policy.locale : settings.locale,
    retentionMs: policy?.retention ? durationMs(policy.retention) : settings.retentionMs,
    templateOf(session) {
      const isNotice = session.interaction?.kind.case === "notice";
      const kind = isNotice ? MessageTemplate_Kind.NOTICE : MessageTemplate_Kind.QUESTION;
      return templateFor(templates, kind, localeOf(session));
    },
    sendTime: (nowMs, giveUpTimeMs) => sendTimeOf(quietHours, nowMs, giveUpTimeMs),
    mayAskIn(chat) {
      const names = (pattern: ChatPattern) => isNamedBy(chat, pattern);
      return !deniedChats.some(names) && (allowedChats.length === 0 || allowedChats.some(names));
    },
  };
}

function isNamedBy(chat: { channelId: string; chatId: string }, { channelId, chatId }: ChatPattern): boolean {
  return (channelId === "" || channelId === chat.channelId) && (chatId === "" || chatId === chat.chatId);
}

/** Patterns take long to compile, so a tenant's masker stays until its masking changes, also where it was read again. */
function createMaskers(): (tenantId: string, masking: Masking | undefined) => Masker {
  const plain = createMasker(undefined);
  const own = new Map<string, { readonly masking: Masking; readonly mask: Masker }>();
  return (tenantId, masking) => {
    if (!masking || (masking.rules.length === 0 && masking.disabledKinds.length === 0)) {
      own.delete(tenantId);
      return plain;
    }
    const known = own.get(tenantId);
    if (known && equals(MaskingSchema, known.masking, masking)) return known.mask;
    const mask = createMasker(masking);
    own.set(tenantId, { masking, mask });
    return mask;
  };
}
