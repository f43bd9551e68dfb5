// How a person proves to be a member: by an identity elsewhere, by a code, by a link.

import type { Duration } from "@bufbuild/protobuf/wkt";
import { CreateLinkCodeResponseSchema } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import type { Command } from "commander";
import { addIdentityOptions, type IdentityOptions, identityOf } from "../administration/identity-options.ts";
import { findMember, NAMED } from "../administration/lookup.ts";
import { memberLines } from "../administration/member-words.ts";
import { makeSignInLink } from "../administration/sign-in-links.ts";
import { addTenantOption } from "../administration/tenant-option.ts";
import type { CommandContext } from "../context.ts";
import { prettyJson } from "../contract-json.ts";
import { writeLength } from "../duration.ts";
import { readLength } from "../option-values.ts";
import { oneLine } from "../table.ts";

/** What the server takes where nothing is said. */
const DEFAULT_LINK_SECONDS = 900;

interface Common {
  readonly tenant?: string;
  readonly json?: boolean;
}

export function addLink(member: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  const command = addTenantOption(member.command("link"), t)
    .argument("<member>", t(NAMED.en, NAMED.zh))
    .description(t("say how a person is known elsewhere, on your word", "由管理员为成员关联身份"));
  addIdentityOptions(command, t)
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil member link li@example.com --wecom lilei`)
    .action(async (text: string, { tenant = "", ...options }: Common & IdentityOptions) => {
      const identity = identityOf(options);
      const connection = await connect();
      const { id: memberId } = await findMember(connection, { tenantId: tenant, text, t });
      const { member: linked } = await connection.access.linkIdentity({
        tenantId: tenant,
        memberId,
        identity,
      });
      for (const line of memberLines(linked!, terminal)) await terminal.out(line);
    });
}

export function addUnlink(member: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  const command = addTenantOption(member.command("unlink"), t)
    .argument("<member>", t(NAMED.en, NAMED.zh))
    .description(t("take an identity from a person", "取消成员的身份关联"));
  addIdentityOptions(command, t)
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil member unlink li@example.com --wecom lilei`)
    .action(async (text: string, { tenant = "", ...options }: Common & IdentityOptions) => {
      const identity = identityOf(options);
      const connection = await connect();
      const { id: memberId } = await findMember(connection, { tenantId: tenant, text, t });
      const { member: left } = await connection.access.unlinkIdentity({
        tenantId: tenant,
        memberId,
        identity,
      });
      for (const line of memberLines(left!, terminal)) await terminal.out(line);
    });
}

export function addLinkCode(member: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(member.command("link-code"), t)
    .argument("[member]", t(`${NAMED.en}; default: yourself`, `${NAMED.zh}；默认为自己`))
    .description(t("print a code by which a person links a chat account", "生成关联聊天账号的一次性代码"))
    .option("--json", t("print it as JSON", "以 JSON 输出"))
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil member link-code li@example.com\n\n${t('The person sends the robot "link CODE". It works once, for 15 minutes.', "成员向机器人发送“绑定 代码”。代码仅可使用一次，15 分钟内有效。")}`,
    )
    .action(async (text: string | undefined, { tenant = "", json }: Common) => {
      const connection = await connect();
      const memberId =
        text === undefined ? "" : (await findMember(connection, { tenantId: tenant, text, t })).id;
      const made = await connection.access.createLinkCode({ tenantId: tenant, memberId });
      await terminal.out(json ? prettyJson(CreateLinkCodeResponseSchema, made) : made.code);
      if (!json) {
        terminal.note(
          t(
            `to be sent to the robot as: link ${made.code} (once, for 15 minutes)`,
            `请向机器人发送：绑定 ${made.code}（仅一次，15 分钟内有效）`,
          ),
        );
      }
    });
}

export function addSignInLink(member: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(member.command("sign-in-link"), t)
    .argument("<member>", t(NAMED.en, NAMED.zh))
    .description(
      t("print a link that signs one browser in as this person, once", "打印以该成员身份登录的一次性链接"),
    )
    .option(
      "--lifetime <time>",
      t("how long it works; default: 15m, at most 7d", "有效期，默认 15m，最长 7d"),
      readLength,
    )
    .option("--json", t("print it as JSON", "以 JSON 输出"))
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil member sign-in-link li@example.com --lifetime 1d\n\n${t("Whoever opens it first is signed in: send it to the person alone.", "首个打开者即完成登录，请只发给本人。")}`,
    )
    .action(async (text: string, { tenant = "", lifetime, json }: Common & { lifetime?: Duration }) => {
      const connection = await connect();
      const found = await findMember(connection, { tenantId: tenant, text, t });
      const lifetimeSeconds = lifetime && Number(lifetime.seconds);
      const request = { tenantId: tenant, memberId: found.id, lifetimeSeconds };
      const url = await makeSignInLink(connection, request, t);
      await terminal.out(json ? JSON.stringify({ url }) : url);
      if (json) return;
      const length = writeLength((lifetimeSeconds ?? DEFAULT_LINK_SECONDS) * 1000);
      terminal.note(
        t(
          `signs one browser in as ${oneLine(found.name)}, once, within ${length}`,
          `以 ${oneLine(found.name)} 的身份登录一次，${length} 内有效`,
        ),
      );
    });
}
