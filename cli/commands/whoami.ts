import { type Principal, Principal_Kind, Principal_KindSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { type WhoAmIResponse, WhoAmIResponseSchema } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import type { Command } from "commander";
import { roleWords } from "../administration/roles.ts";
import { whenExactly } from "../administration/times.ts";
import type { CommandContext } from "../context.ts";
import { prettyJson } from "../contract-json.ts";
import { enumWord } from "../enum-words.ts";
import { oneLine } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export function addWhoAmI(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  program
    .command("whoami")
    .description(t("tell whose key this is, and what it may do", "查看当前密钥的身份与权限"))
    .option("--json", t("print it as JSON", "以 JSON 输出"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  HIL_API_KEY=… hil whoami`)
    .action(async ({ json }: { json?: boolean }) => {
      const { access } = await context.connect();
      const answer = await access.whoAmI({});
      if (json) await terminal.out(prettyJson(WhoAmIResponseSchema, answer));
      else for (const line of principalLines(answer, terminal)) await terminal.out(line);
    });
}

/** The caller for people. */
export function principalLines(
  { principal, tenantDisplayName, expireTime }: WhoAmIResponse,
  terminal: Pick<Terminal, "t" | "now" | "locale">,
): string[] {
  if (!principal) return [];
  const { t } = terminal;
  const tenantName = oneLine(tenantDisplayName);
  return [
    `${oneLine(principal.name) || principal.id} · ${kindWords(principal, t)}`,
    `  ${t("tenant", "租户")}  ${principal.tenantId}${tenantName && tenantName !== principal.tenantId ? ` (${tenantName})` : ""}`,
    `  ${t("roles", "角色")}   ${roleWords(principal.roles)}`,
    `  ${t("scopes", "范围")}  ${principal.scopes.join(", ") || t("all that its roles may", "角色允许的全部")}`,
    ...(expireTime ? [`  ${t("ends", "到期")}    ${whenExactly(expireTime, terminal)}`] : []),
    `  ${t("id", "主体")}      ${principal.id}`,
  ];
}

function kindWords({ kind, keyId }: Principal, t: Terminal["t"]): string {
  switch (kind) {
    case Principal_Kind.OWNER:
      return t("the owner key", "所有者密钥");
    case Principal_Kind.LOCAL:
      return t("the local key of this machine", "本机密钥");
    case Principal_Kind.API_KEY:
      return t(`API key ${keyId}`, `API 密钥 ${keyId}`);
    case Principal_Kind.JWT:
      return t("a token of a configured issuer", "已配置签发方的令牌");
    default:
      return enumWord(Principal_KindSchema, kind);
  }
}
