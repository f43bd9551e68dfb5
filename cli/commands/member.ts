import { type Member, Member_State, MemberSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import type { Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import type { Command } from "commander";
import {
  addIdentityOptions,
  type IdentityOptions,
  identitiesOf,
} from "../administration/identity-options.ts";
import { allMembers, findMember, NAMED } from "../administration/lookup.ts";
import { memberLines, memberTable } from "../administration/member-words.ts";
import { collectRoles, ROLE_WORDS, roleWords } from "../administration/roles.ts";
import { addTenantOption, tenantFlag } from "../administration/tenant-option.ts";
import type { Connection } from "../client.ts";
import { confirm } from "../confirmation.ts";
import type { CommandContext } from "../context.ts";
import { jsonLine, prettyJson } from "../contract-json.ts";
import { readLimit } from "../option-values.ts";
import { allOf } from "../paging.ts";
import { oneLine } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { addLink, addLinkCode, addSignInLink, addUnlink } from "./member-identity.ts";

interface Common {
  readonly tenant?: string;
  readonly json?: boolean;
}

export function addMember(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  const member = program
    .command("member")
    .description(t("administer the people of a tenant", "管理租户的成员"))
    .helpCommand(false);
  for (const add of [
    addList,
    addShow,
    addAdd,
    addUpdate,
    addDisable,
    addEnable,
    addLink,
    addUnlink,
    addLinkCode,
    addSignInLink,
  ]) {
    add(member, context);
  }
}

function addList(member: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(member.command("list"), t)
    .description(t("list the people, oldest first", "列出成员，最早的在前"))
    .option("--limit <number>", t("how many at most", "最多条数"), readLimit)
    .option("--json", t("one JSON object on each line", "每行一个 JSON 对象"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil member list --tenant shop`)
    .action(async ({ tenant = "", limit, json }: Common & { limit?: number }) => {
      const members = await allOf(allMembers(await connect(), tenant, limit));
      if (json) {
        for (const each of members) await terminal.out(jsonLine(MemberSchema, each));
      } else if (members.length === 0) {
        terminal.note(t("There are no members.", "没有成员。"));
      } else {
        for (const line of memberTable(members, terminal)) await terminal.out(line);
      }
    });
}

function addShow(member: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(member.command("show"), t)
    .argument("<member>", t(NAMED.en, NAMED.zh))
    .description(t("show one person", "查看成员"))
    .option("--json", t("print it as JSON", "以 JSON 输出"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil member show li@example.com`)
    .action(async (text: string, { tenant = "", json }: Common) => {
      const found = await findMember(await connect(), { tenantId: tenant, text, t });
      if (json) await terminal.out(prettyJson(MemberSchema, found));
      else for (const line of memberLines(found, terminal)) await terminal.out(line);
    });
}

type WithRoles = { readonly role?: readonly Role[] };

function addRoleOption(command: Command, t: Terminal["t"], en: string, zh: string): Command {
  const words = ROLE_WORDS.filter((word) => word !== "relay").join(", ");
  return command.option(
    "--role <role>",
    t(`${en}; repeat it: ${words}`, `${zh}，可重复：${words}`),
    collectRoles,
  );
}

function addAdd(member: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  const command = addTenantOption(member.command("add"), t)
    .argument("<name>", t("the name to show", "姓名"))
    .description(t("make a member", "添加成员"));
  addRoleOption(command, t, "what the person may do; default: responder", "角色，默认 responder");
  addIdentityOptions(command, t)
    .option("--json", t("print it as JSON", "以 JSON 输出"))
    .addHelpText(
      "after",
      `\n${t("Examples", "示例")}:\n  hil member add "Li Lei" --email li@example.com --wecom lilei\n  hil member add "Han Meimei" --role administrator --tenant shop`,
    )
    .action(async (name: string, options: Common & WithRoles & IdentityOptions) => {
      const identities = identitiesOf(options);
      const { access } = await connect();
      const { member: made } = await access.createMember({
        tenantId: options.tenant ?? "",
        name,
        roles: [...(options.role ?? [])],
        identities,
      });
      await terminal.out(options.json ? prettyJson(MemberSchema, made!) : made!.id);
      if (!options.json) {
        terminal.note(
          t(
            `${oneLine(name)} is a member (${roleWords(made!.roles)}); to sign in: hil member sign-in-link ${made!.id}${tenantFlag(options.tenant)}`,
            `已添加成员 ${oneLine(name)}（${roleWords(made!.roles)}）；登录：hil member sign-in-link ${made!.id}${tenantFlag(options.tenant)}`,
          ),
        );
      }
    });
}

function addUpdate(member: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  const command = addTenantOption(member.command("update"), t)
    .argument("<member>", t(NAMED.en, NAMED.zh))
    .description(t("change a person's name or roles", "修改成员的姓名或角色"))
    .option("--name <name>", t("the name to show", "姓名"));
  addRoleOption(command, t, "all that the person may do from now on", "之后的全部角色")
    .option("--json", t("print it as JSON", "以 JSON 输出"))
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil member update li@example.com --role responder --role operator`,
    )
    .action(async (text: string, options: Common & WithRoles & { name?: string }) => {
      if (options.name === undefined && options.role === undefined) {
        command.error(`error: ${t("say --name or --role", "请指定 --name 或 --role")}`);
      }
      const connection = await connect();
      const tenantId = options.tenant ?? "";
      const { id: memberId } = await findMember(connection, { tenantId, text, t });
      const { member: updated } = await connection.access.updateMember({
        tenantId,
        memberId,
        name: options.name,
        roles: [...(options.role ?? [])],
      });
      if (options.json) await terminal.out(prettyJson(MemberSchema, updated!));
      else for (const line of memberLines(updated!, terminal)) await terminal.out(line);
    });
}

function addDisable(member: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  addTenantOption(member.command("disable"), t)
    .argument("<member>", t(NAMED.en, NAMED.zh))
    .description(
      t(
        "sign a person out everywhere within 5 s, and let nobody in as them",
        "禁用成员，5 秒内在各处退出登录",
      ),
    )
    .option("-y, --yes", t("do not ask", "不再询问"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil member disable li@example.com`)
    .action(async (text: string, { tenant = "", yes }: Common & { yes?: boolean }) => {
      const connection = await context.connect();
      const found = await findMember(connection, { tenantId: tenant, text, t });
      const name = oneLine(found.name);
      await confirm(terminal, t(`Sign ${name} out and keep them out?`, `禁用 ${name}？`), { yes });
      await setState(connection, tenant, found, Member_State.DISABLED);
      terminal.note(
        t(
          `${name} is disabled; to undo it: hil member enable ${found.id}${tenantFlag(tenant)}`,
          `${name} 已禁用；恢复：hil member enable ${found.id}${tenantFlag(tenant)}`,
        ),
      );
    });
}

function addEnable(member: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(member.command("enable"), t)
    .argument("<member>", t(NAMED.en, NAMED.zh))
    .description(t("let a disabled person in again", "恢复被禁用的成员"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil member enable li@example.com`)
    .action(async (text: string, { tenant = "" }: Common) => {
      const connection = await connect();
      const found = await findMember(connection, { tenantId: tenant, text, t });
      await setState(connection, tenant, found, Member_State.ACTIVE);
      terminal.note(t(`${oneLine(found.name)} can sign in`, `${oneLine(found.name)} 已恢复`));
    });
}

async function setState(
  { access }: Connection,
  tenantId: string,
  { id: memberId }: Member,
  state: Member_State,
): Promise<void> {
  await access.updateMember({ tenantId, memberId, state });
}
