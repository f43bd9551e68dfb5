import type { Duration } from "@bufbuild/protobuf/wkt";
import { ApiKey_State, ApiKeySchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import {
  CreateApiKeyResponseSchema,
  RotateApiKeyResponseSchema,
} from "@hil/gen/hil/access/v1/access_service_pb.ts";
import type { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import type { Command } from "commander";
import { keyLines, keyTable, newKeySentence } from "../administration/key-words.ts";
import { allKeys, findKey } from "../administration/lookup.ts";
import { revokeKey } from "../administration/revoking.ts";
import { collectRoles, ROLE_WORDS } from "../administration/roles.ts";
import { addTenantOption } from "../administration/tenant-option.ts";
import { whenExactly } from "../administration/times.ts";
import type { CommandContext } from "../context.ts";
import { jsonLine, prettyJson } from "../contract-json.ts";
import { collect, readLength, readLengthOrZero, readLimit } from "../option-values.ts";
import { allOf } from "../paging.ts";

interface Common {
  readonly tenant?: string;
  readonly json?: boolean;
}

export function addKey(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  const key = program
    .command("key")
    .description(t("administer the API keys of a tenant", "管理租户的 API 密钥"))
    .helpCommand(false);
  for (const add of [addList, addShow, addCreate, addRotate, addRevoke]) add(key, context);
}

function addList(key: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(key.command("list"), t)
    .description(
      t("list the keys, newest first, without their secrets", "列出密钥（不含密钥本身），最新的在前"),
    )
    .option("--all", t("those that work no more, too", "包括已失效的"))
    .option("--limit <number>", t("how many are looked at, at most", "最多查看条数"), readLimit)
    .option("--json", t("one JSON object on each line", "每行一个 JSON 对象"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil key list --tenant shop --all`)
    .action(async ({ tenant = "", all, limit, json }: Common & { all?: boolean; limit?: number }) => {
      const found = await allOf(allKeys(await connect(), { tenantId: tenant }, limit));
      const keys = all ? found : found.filter(({ state }) => state === ApiKey_State.ACTIVE);
      if (json) {
        for (const each of keys) await terminal.out(jsonLine(ApiKeySchema, each));
      } else if (keys.length === 0) {
        terminal.note(t("There are no keys that work.", "没有有效的密钥。"));
      } else {
        for (const line of keyTable(keys, terminal)) await terminal.out(line);
      }
    });
}

function addShow(key: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(key.command("show"), t)
    .argument("<key>", t("its id or its name", "密钥编号或名称"))
    .description(t("show one key, without its secret", "查看密钥信息（不含密钥本身）"))
    .option("--json", t("print it as JSON", "以 JSON 输出"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil key show ci`)
    .action(async (text: string, { tenant = "", json }: Common) => {
      const found = await findKey(await connect(), { tenantId: tenant, text, t, newestOfLine: true });
      if (json) await terminal.out(prettyJson(ApiKeySchema, found));
      else for (const line of keyLines(found, terminal)) await terminal.out(line);
    });
}

interface CreateOptions extends Common {
  readonly role?: readonly Role[];
  readonly scope?: readonly string[];
  readonly lifetime?: Duration;
}

function addCreate(key: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  const words = ROLE_WORDS.filter((word) => word !== "relay").join(", ");
  addTenantOption(key.command("create"), t)
    .argument("<name>", t("what it is for", "用途"))
    .description(t("make a key and print it, this once", "创建密钥并打印（仅此一次）"))
    .option(
      "--role <role>",
      t(`what its holder may do; repeat it: ${words}; default: agent`, `角色，可重复：${words}；默认 agent`),
      collectRoles,
    )
    .option(
      "--scope <scope>",
      t(
        "narrows it, such as sessions.read or sessions.*; repeat it",
        "限制范围，如 sessions.read 或 sessions.*，可重复",
      ),
      collect,
    )
    .option(
      "--lifetime <time>",
      t("how long it works: 90d; default: for ever", "有效期，如 90d；默认永久"),
      readLength,
    )
    .option("--json", t("print all of it as JSON, the secret with it", "以 JSON 输出（含密钥）"))
    .addHelpText(
      "after",
      `\n${t("Examples", "示例")}:\n  KEY=$(hil key create ci --tenant shop --lifetime 90d)\n  hil key create reports --role auditor --scope sessions.read --scope statistics.read`,
    )
    .action(async (name: string, { tenant = "", role = [], scope = [], lifetime, json }: CreateOptions) => {
      const { access } = await connect();
      const request = { tenantId: tenant, name, roles: [...role], scopes: [...scope], lifetime };
      const made = await access.createApiKey(request);
      await terminal.out(json ? prettyJson(CreateApiKeyResponseSchema, made) : made.secret);
      if (!json) terminal.note(newKeySentence(made.apiKey!, terminal));
    });
}

function addRotate(key: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(key.command("rotate"), t)
    .argument("<key>", t("its id or its name", "密钥编号或名称"))
    .description(
      t("make a key that replaces another, and print it, this once", "轮换密钥并打印新密钥（仅此一次）"),
    )
    .option(
      "--overlap <time>",
      t(
        "how long the old one works on; default: 24h; 0s: not at all",
        "旧密钥继续有效的时间，默认 24h；0s 立即失效",
      ),
      readLengthOrZero,
    )
    .option(
      "--lifetime <time>",
      t(
        "how long the new one works; default: as the old one was made for",
        "新密钥的有效期；默认与旧密钥相同",
      ),
      readLength,
    )
    .option("--json", t("print all of it as JSON, the secret with it", "以 JSON 输出（含密钥）"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  KEY=$(hil key rotate ci --overlap 1h)`)
    .action(async (text: string, options: Common & { overlap?: Duration; lifetime?: Duration }) => {
      const { tenant = "", overlap, lifetime, json } = options;
      const connection = await connect();
      const { id: keyId } = await findKey(connection, { tenantId: tenant, text, t, newestOfLine: true });
      const made = await connection.access.rotateApiKey({ tenantId: tenant, keyId, overlap, lifetime });
      await terminal.out(json ? prettyJson(RotateApiKeyResponseSchema, made) : made.secret);
      if (json) return;
      terminal.note(newKeySentence(made.apiKey!, terminal));
      const end = whenExactly(made.replaced?.expireTime, terminal);
      terminal.note(t(`the old key ${keyId} ends ${end}`, `旧密钥 ${keyId} 到期：${end}`));
    });
}

function addRevoke(key: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(key.command("revoke"), t)
    .argument(
      "<key>",
      t("its id or its name; a key that leaked can be pasted", "密钥编号或名称；也可粘贴已泄露的密钥"),
    )
    .description(t("end a key for good; it is refused everywhere within 5 s", "永久吊销密钥，5 秒内生效"))
    .option("-y, --yes", t("do not ask", "不再询问"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil key revoke ci --yes`)
    .action(async (text: string, options: Common & { yes?: boolean }) => {
      await revokeKey(await connect(), text, options, terminal);
    });
}
