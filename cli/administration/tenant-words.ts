// Tenants in words for a terminal.

import { type Tenant, Tenant_State } from "@hil/gen/hil/access/v1/access_pb.ts";
import { oneLine, tableLines } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { when, whenExactly } from "./times.ts";

/** The tenants as lines, with a head. */
export function tenantTable(
  tenants: readonly Tenant[],
  terminal: Pick<Terminal, "t" | "now" | "locale" | "columns">,
): string[] {
  const { t, columns } = terminal;
  const head = [
    t("ID", "编号"),
    t("NAME", "名称"),
    t("STATE", "状态"),
    t("MADE", "创建"),
    t("CHANGED", "更新"),
  ];
  const rows = tenants.map((tenant) => [
    tenant.id,
    oneLine(tenant.displayName) || "–",
    stateWord(tenant.state, t),
    when(tenant.createTime, terminal),
    when(tenant.updateTime, terminal),
  ]);
  return tableLines([head, ...rows], { columns, flexible: 1 });
}

/** A tenant for people. `policy`: what holds for it, as YAML; empty where nothing is set. */
export function tenantLines(
  tenant: Tenant,
  policy: string,
  terminal: Pick<Terminal, "t" | "now" | "locale">,
): string[] {
  const { t } = terminal;
  return [
    `${tenant.id} · ${oneLine(tenant.displayName) || tenant.id} · ${stateWord(tenant.state, t)}`,
    `  ${t("made", "创建")}     ${whenExactly(tenant.createTime, terminal)}`,
    `  ${t("changed", "更新")}  ${whenExactly(tenant.updateTime, terminal)}`,
    `  ${t("version", "版本")}  ${tenant.version}`,
    "",
    ...(policy === ""
      ? [t("Everything is as the deployment says.", "全部采用服务的设置。")]
      : [
          t("Policy; what is not here is as the deployment says:", "策略（未列出的采用服务的设置）："),
          ...policy.split("\n").map((line) => `  ${oneLineKeepingIndent(line)}`),
        ]),
  ];
}

function oneLineKeepingIndent(line: string): string {
  return `${/^ */.exec(line)![0]}${oneLine(line)}`;
}

function stateWord(state: Tenant_State, t: Terminal["t"]): string {
  switch (state) {
    case Tenant_State.ACTIVE:
      return t("active", "正常");
    case Tenant_State.SUSPENDED:
      return t("suspended", "已停用");
    default:
      return t("unknown", "未知");
  }
}
