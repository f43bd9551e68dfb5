import type { Duration } from "@bufbuild/protobuf/wkt";
import { ApiKey_State, ApiKeySchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { CreateApiKeyResponseSchema } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { Relay_State, RelaySchema } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import type { Command } from "commander";
import { keyTable, newKeySentence } from "../administration/key-words.ts";
import { allKeys } from "../administration/lookup.ts";
import { isRetired, knownRelays, relayJson, relayTable } from "../administration/relay-words.ts";
import { revokeKey } from "../administration/revoking.ts";
import { addTenantOption } from "../administration/tenant-option.ts";
import type { Connection } from "../client.ts";
import type { CommandContext } from "../context.ts";
import { jsonLine, prettyJson } from "../contract-json.ts";
import { readLength } from "../option-values.ts";
import { allOf, pages } from "../paging.ts";
import { oneLine } from "../table.ts";
import type { Terminal } from "../terminal.ts";

interface Common {
  readonly tenant?: string;
  readonly json?: boolean;
}

export function addRelay(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  const relay = program
    .command("relay")
    .description(
      t("see relays on intranet hosts, and administer their credentials", "查看内网中转并管理其凭证"),
    )
    .helpCommand(false);
  for (const add of [addList, addCreate, addDrain, addRevoke]) add(relay, context);
}

interface ListOptions extends Common {
  readonly all?: boolean;
  readonly credentials?: boolean;
}

function addList(relay: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(relay.command("list"), t)
    .description(
      t(
        "list the relays: whether each is attached, and whether its credential works",
        "列出中转：是否接入、凭证是否有效",
      ),
    )
    .option("--all", t("those whose credentials were revoked, too", "包括凭证已吊销的"))
    .option(
      "--credentials",
      t(
        "list the credentials instead, newest first; with --all those that work no more, too",
        "改为列出凭证，最新的在前；加 --all 时包括已失效的",
      ),
    )
    .option("--json", t("one JSON object on each line", "每行一个 JSON 对象"))
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil relay list\n  hil relay list --credentials --all`,
    )
    .action(async (options: ListOptions) => {
      const connection = await connect();
      if (options.credentials) await listCredentials(connection, options, terminal);
      else await listRelays(connection, options, terminal);
    });
}

async function listRelays(
  { access, delivery }: Connection,
  { tenant: tenantId = "", all, json }: ListOptions,
  terminal: Terminal,
): Promise<void> {
  const { t } = terminal;
  const load = async (page: { pageSize: number; pageToken: string }) => {
    const { relays, nextPageToken } = await delivery.listRelays({ tenantId, ...page });
    return { items: relays, nextPageToken };
  };
  const [relays, keys] = await Promise.all([
    allOf(pages(load)),
    allOf(allKeys({ access }, { tenantId, role: Role.RELAY })),
  ]);
  const known = knownRelays(relays, keys);
  const shown = all ? known : known.filter((each) => !isRetired(each));
  if (json) {
    for (const each of shown) await terminal.out(relayJson(each));
  } else if (shown.length === 0) {
    terminal.note(
      t(
        'There are no relays; "hil relay create NAME" makes the credential of one.',
        '没有中转；用 "hil relay create NAME" 创建凭证。',
      ),
    );
  } else {
    for (const line of relayTable(shown, terminal)) await terminal.out(line);
  }
}

async function listCredentials(
  { access }: Connection,
  { tenant: tenantId = "", all, json }: ListOptions,
  terminal: Terminal,
): Promise<void> {
  const found = await allOf(allKeys({ access }, { tenantId, role: Role.RELAY }));
  const keys = all ? found : found.filter(({ state }) => state === ApiKey_State.ACTIVE);
  if (json) {
    for (const each of keys) await terminal.out(jsonLine(ApiKeySchema, each));
  } else if (keys.length === 0) {
    terminal.note(terminal.t("No relay has a credential that works.", "没有有效的中转凭证。"));
  } else {
    for (const line of keyTable(keys, terminal)) await terminal.out(line);
  }
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

function addDrain(relay: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(relay.command("drain"), t)
    .argument("<relay>", t("the relay's name", "中转名称"))
    .description(
      t(
        "let a relay finish what it has and attach anew, to another process where there are several",
        "让中转完成手头任务后重新接入（有多个进程时换到另一个）",
      ),
    )
    .option("--reason <text>", t("why; the relay's log shows it", "原因，会显示在中转的日志中"))
    .option("--json", t("print the relay as JSON", "以 JSON 输出"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil relay drain plant-2 --reason "maintenance"`)
    .action(async (relayName: string, { tenant = "", reason = "", json }: Common & { reason?: string }) => {
      const { delivery } = await connect();
      const { relay: told } = await delivery.drainRelay({ tenantId: tenant, relayName, reason });
      if (json) return terminal.out(prettyJson(RelaySchema, told!));
      const name = oneLine(told!.name);
      terminal.note(
        told!.state === Relay_State.ATTACHED
          ? t(
              `${name} is told within a second; it finishes what it has and attaches anew`,
              `${name} 将在 1 秒内收到通知，完成手头任务后重新接入`,
            )
          : t(`${name} is not attached: there is nothing to end`, `${name} 未接入，无需处理`),
      );
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
