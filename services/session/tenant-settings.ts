// What a tenant's policy lays down for its sessions, and the environment where it says nothing.

import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import type { ChatPattern, Limits, Tenant } from "@hil/gen/hil/access/v1/access_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { Target } from "@hil/gen/hil/session/v1/session_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import type { SessionSettings } from "./config.ts";

/** What holds for the sessions of one tenant. */
export interface TenantSettings extends SessionSettings {
  readonly allowedChats: readonly ChatPattern[];
  readonly deniedChats: readonly ChatPattern[];
  readonly limits: Limits | undefined;
}

/** Not a chat: everybody who may read the console has it open. */
const CONSOLE_CHANNEL = "console";

/** Makes what reads a tenant's settings, once for as long as the tenant stays the same. */
export function createTenantSettings(settings: SessionSettings): (tenant: Tenant) => TenantSettings {
  const known = new WeakMap<Tenant, TenantSettings>();
  return (tenant) => {
    let found = known.get(tenant);
    if (!found) {
      found = settingsOf(tenant, settings);
      known.set(tenant, found);
    }
    return found;
  };
}

/** A default that the tenant's own floor or maximum rules out is moved to it. */
function settingsOf({ policy }: Tenant, settings: SessionSettings): TenantSettings {
  const minTimeoutMs = policy?.minTimeout ? durationMs(policy.minTimeout) : settings.minTimeoutMs;
  const maxTimeoutMs = policy?.maxTimeout ? durationMs(policy.maxTimeout) : settings.maxTimeoutMs;
  const most = maxTimeoutMs ?? Number.POSITIVE_INFINITY;
  const defaultTimeoutMs = policy?.defaultTimeout
    ? durationMs(policy.defaultTimeout)
    : settings.defaultTimeoutMs;
  return {
    ...settings,
    minTimeoutMs,
    maxTimeoutMs,
    defaultTimeoutMs: Math.min(Math.max(defaultTimeoutMs, minTimeoutMs), most),
    noticeTimeoutMs: Math.min(settings.noticeTimeoutMs, most),
    retentionMs: policy?.retention ? durationMs(policy.retention) : settings.retentionMs,
    locale: policy?.locale === "zh-CN" || policy?.locale === "en" ? policy.locale : settings.locale,
    allowedChats: policy?.allowedChats ?? [],
    deniedChats: policy?.deniedChats ?? [],
    limits: policy?.limits,
  };
}

/** Throws CHAT_NOT_ALLOWED where the tenant does not let its askers send to one of the targets. */
export function checkChats(
  targets: readonly Target[],
  { allowedChats, deniedChats }: Pick<TenantSettings, "allowedChats" | "deniedChats">,
): void {
  for (const target of targets) {
    if (target.channelId === CONSOLE_CHANNEL) continue;
    const isOf = (pattern: ChatPattern) =>
      (pattern.channelId === "" || pattern.channelId === target.channelId) &&
      (pattern.chatId === "" || pattern.chatId === target.chatId);
    if (!deniedChats.some(isOf) && (allowedChats.length === 0 || allowedChats.some(isOf))) continue;
    throw hilError(
      Code.PermissionDenied,
      ErrorReason.CHAT_NOT_ALLOWED,
      `this tenant does not send to that chat of the channel ${JSON.stringify(target.channelId)}; ask in another chat, or have an administrator allow this one`,
      { channel_id: target.channelId },
    );
  }
}
