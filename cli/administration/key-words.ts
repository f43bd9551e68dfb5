// API keys in words for a terminal, relays' keys among them.

import { type ApiKey, ApiKey_State } from "@hil/gen/hil/access/v1/access_pb.ts";
import { oneLine, tableLines } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { roleWords } from "./roles.ts";
import { when, whenExactly } from "./times.ts";

/** The keys as lines, with a head. */
export function keyTable(
  keys: readonly ApiKey[],
  terminal: Pick<Terminal, "t" | "now" | "locale" | "columns">,
): string[] {
  const { t, columns } = terminal;
  const head = [
    t("ID", "编号"),
    t("NAME", "名称"),
    t("ROLES", "角色"),
    t("SCOPES", "范围"),
    t("STATE", "状态"),
    t("ENDS", "到期"),
    t("LAST USED", "最近使用"),
  ];
  const rows = keys.map((key) => [
    key.id,
    oneLine(key.relayName && key.relayName !== key.name ? `${key.name} (${key.relayName})` : key.name),
    roleWords(key.roles),
    key.scopes.join(", ") || t("all", "全部"),
    stateWord(key.state, t),
    when(key.expireTime, terminal),
    when(key.lastUsedTime, terminal),
  ]);
  return tableLines([head, ...rows], { columns, flexible: 1 });
}

/** A key for people. */
export function keyLines(key: ApiKey, terminal: Pick<Terminal, "t" | "now" | "locale">): string[] {
  const { t } = terminal;
  return [
    `${oneLine(key.name)} · ${stateWord(key.state, t)}`,
    `  ${t("roles", "角色")}      ${roleWords(key.roles)}`,
    `  ${t("scopes", "范围")}     ${key.scopes.join(", ") || t("all that its roles may", "角色允许的全部")}`,
    ...(key.relayName ? [`  ${t("relay", "中转")}      ${oneLine(key.relayName)}`] : []),
    `  ${t("acts as", "主体")}    ${key.principalId}`,
    `  ${t("made", "创建")}       ${whenExactly(key.createTime, terminal)}`,
    `  ${t("ends", "到期")}       ${whenExactly(key.expireTime, terminal)}`,
    ...(key.revokeTime ? [`  ${t("revoked", "吊销")}    ${whenExactly(key.revokeTime, terminal)}`] : []),
    `  ${t("last used", "使用")}  ${whenExactly(key.lastUsedTime, terminal)}`,
    `  ${t("tenant", "租户")}     ${key.tenantId}`,
    `  ${t("id", "编号")}         ${key.id}`,
  ];
}

/** One sentence about a key that was just made, beside the key itself. */
export function newKeySentence(key: ApiKey, terminal: Pick<Terminal, "t" | "now" | "locale">): string {
  const { t } = terminal;
  const until = key.expireTime
    ? t(`ends ${whenExactly(key.expireTime, terminal)}`, `${whenExactly(key.expireTime, terminal)} 到期`)
    : t("does not end", "不会到期");
  return t(
    `key ${key.id} of tenant ${key.tenantId} (${roleWords(key.roles)}) ${until}. It is shown this once: keep it.`,
    `租户 ${key.tenantId} 的密钥 ${key.id}（${roleWords(key.roles)}）${until}。密钥只显示这一次，请妥善保存。`,
  );
}

function stateWord(state: ApiKey_State, t: Terminal["t"]): string {
  switch (state) {
    case ApiKey_State.ACTIVE:
      return t("active", "有效");
    case ApiKey_State.EXPIRED:
      return t("expired", "已到期");
    case ApiKey_State.REVOKED:
      return t("revoked", "已吊销");
    default:
      return t("unknown", "未知");
  }
}
