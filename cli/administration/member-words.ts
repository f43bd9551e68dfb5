// Members in words for a terminal.

import { type Member, Member_State } from "@hil/gen/hil/access/v1/access_pb.ts";
import { oneLine, tableLines } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { identityWords } from "./identity-options.ts";
import { roleWords } from "./roles.ts";
import { whenExactly } from "./times.ts";

/** The members as lines, with a head. */
export function memberTable(
  members: readonly Member[],
  { t, columns }: Pick<Terminal, "t" | "columns">,
): string[] {
  const head = [
    t("ID", "编号"),
    t("NAME", "姓名"),
    t("ROLES", "角色"),
    t("STATE", "状态"),
    t("KNOWN AS", "身份"),
  ];
  const rows = members.map((member) => [
    member.id,
    oneLine(member.name),
    roleWords(member.roles),
    stateWord(member.state, t),
    member.identities.map(identityWords).join(", ") || "–",
  ]);
  return tableLines([head, ...rows], { columns, flexible: 4 });
}

/** A member for people. */
export function memberLines(member: Member, terminal: Pick<Terminal, "t" | "now" | "locale">): string[] {
  const { t } = terminal;
  return [
    `${oneLine(member.name)} · ${stateWord(member.state, t)}`,
    `  ${t("roles", "角色")}     ${roleWords(member.roles)}`,
    ...member.identities.map((identity) => `  ${t("known as", "身份")}  ${identityWords(identity)}`),
    `  ${t("made", "创建")}      ${whenExactly(member.createTime, terminal)}`,
    `  ${t("changed", "更新")}   ${whenExactly(member.updateTime, terminal)}`,
    `  ${t("tenant", "租户")}    ${member.tenantId}`,
    `  ${t("id", "编号")}        ${member.id}`,
  ];
}

function stateWord(state: Member_State, t: Terminal["t"]): string {
  switch (state) {
    case Member_State.ACTIVE:
      return t("active", "正常");
    case Member_State.DISABLED:
      return t("disabled", "已禁用");
    default:
      return t("unknown", "未知");
  }
}
