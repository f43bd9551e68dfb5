import type { Duration } from "@bufbuild/protobuf/wkt";
import { ApiKey_State, ApiKeySchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { CreateApiKeyResponseSchema } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import type { Command } from "commander";
import { keyTable, newKeySentence } from "../administration/key-words.ts";
import { allKeys } from "../administration/lookup.ts";
import { revokeKey } from "../administration/revoking.ts";
import { addTenantOption } from "../administration/tenant-option.ts";
import type { CommandContext } from "../context.ts";
import { jsonLine, prettyJson } from "../contract-json.ts";
import { readLength } from "../option-values.ts";
import { allOf } from "../paging.ts";

interface Common {
  readonly tenant?: string;
  readonly json?: boolean;
}

export function addRelay(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  const relay = program
    .command("relay")
    .description(t("administer the credentials of relays on intranet hosts", "管理内网中转的凭证"))
    .helpCommand(false);
  for (const add of [addList, addCreate, addRevoke]) add(relay, context);
}

function addList(relay: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(relay.command("list"), t)
    .description(t("list the credentials of relays, newest first", "列出中转凭证，最新的在前"))
    .option("--all", t("those that work no more, too", "包括已失效的"))
    .option("--json", t("one JSON object on each line", "每行一个 JSON 对象"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil relay list`)
    .action(async ({ tenant = "", all, json }: Common & { all?: boolean }) => {
      const found = await allOf(allKeys(await connect(), { tenantId: tenant, role: Role.RELAY }));
      const keys = all ? found : found.filter(({ state }) => state === ApiKey_State.ACTIVE);
      if (json) {
        for (const each of keys) await terminal.out(jsonLine(ApiKeySchema, each));
      } else if (keys.length === 0) {
        terminal.note(t("No relay has a credential that works.", "没有有效的中转凭证。"));
      } else {
        for (const line of keyTable(keys, terminal)) await terminal.out(line);
      }
    });
}

function addCreate(relay: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(relay.command("create"), t)
    .argument("<relay>", t("the relay's name", "中转名称"))
    .description(
      t("make a credential for a relay and print it, this once", "为中转创建凭证并打印（仅此一次）"),
    )
    .option(
      "--lifetime <time>",
      t("how long it works: 90d; default: for ever", "有效期，如 90d；默认永久"),
      readLength,
    )
    .option("--json", t("print all of it as JSON, the secret with it", "以 JSON 输出（含密钥）"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  KEY=$(hil relay create plant-2 --lifetime 90d)`)
    .action(async (name: string, { tenant = "", lifetime, json }: Common & { lifetime?: Duration }) => {
      const { access } = await connect();
      const made = await access.createApiKey({
        tenantId: tenant,
        name,
        roles: [Role.RELAY],
        relayName: name,
        lifetime,
      });
      await terminal.out(json ? prettyJson(CreateApiKeyResponseSchema, made) : made.secret);
      if (!json) terminal.note(newKeySentence(made.apiKey!, terminal));
    });
}

function addRevoke(relay: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(relay.command("revoke"), t)
    .argument("<key>", t("the relay's name, or the id of its credential", "中转名称或凭证编号"))
    .description(
      t("end a relay's credential for good, and cut its stream within 5 s", "永久吊销中转凭证，5 秒内断开"),
    )
    .option("-y, --yes", t("do not ask", "不再询问"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil relay revoke plant-2`)
    .action(async (text: string, options: Common & { yes?: boolean }) => {
      await revokeKey(await connect(), text, options, terminal);
    });
}
