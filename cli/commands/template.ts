import { clone, create } from "@bufbuild/protobuf";
import {
  type MessageTemplate,
  type MessageTemplate_Kind,
  MessageTemplate_KindSchema,
  MessageTemplateSchema,
  type TenantPolicy,
  TenantPolicySchema,
} from "@hil/gen/hil/access/v1/access_pb.ts";
import { type Command, InvalidArgumentError, Option } from "commander";
import { addTenantOption } from "../administration/tenant-option.ts";
import { changePolicy } from "../administration/tenant-policy.ts";
import type { CommandContext } from "../context.ts";
import { jsonLine } from "../contract-json.ts";
import { enumWord, enumWords, readEnumWord } from "../enum-words.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { readText } from "../option-values.ts";
import { oneLine, printable, tableLines } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const KINDS = enumWords(MessageTemplate_KindSchema).join(", ");

interface Common {
  readonly tenant?: string;
  readonly locale?: string;
}

export function addTemplate(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  const template = program
    .command("template")
    .description(t("a tenant's own words for messages to people", "租户自定义的消息文案"))
    .helpCommand(false);
  for (const add of [addList, addShow, addSet, addRemove]) add(template, context);
}

function addList(template: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addTenantOption(template.command("list"), t)
    .description(t("list the templates", "列出文案模板"))
    .option("--json", t("one JSON object on each line", "每行一个 JSON 对象"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil template list --tenant shop`)
    .action(async ({ tenant = "", json }: Common & { json?: boolean }) => {
      const { access } = await connect();
      const { tenant: found } = await access.getTenant({ tenantId: tenant });
      const templates = found!.policy?.templates ?? [];
      if (json) {
        for (const each of templates) await terminal.out(jsonLine(MessageTemplateSchema, each));
      } else if (templates.length === 0) {
        terminal.note(t("There are none: HIL's own words are used.", "没有模板，使用 HIL 自带的文案。"));
      } else {
        for (const line of templateTable(templates, terminal)) await terminal.out(line);
      }
    });
}

function addShow(template: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addLocaleOption(addTenantOption(template.command("show"), t), t)
    .argument("<kind>", t(`what it says: ${KINDS}`, `类别：${KINDS}`), readKind)
    .description(t("print one template, for an editor", "输出一个模板，便于编辑"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil template show question > question.md`)
    .action(async (kind: MessageTemplate_Kind, { tenant = "", locale = "" }: Common) => {
      const { access } = await connect();
      const { tenant: found } = await access.getTenant({ tenantId: tenant });
      const it = found!.policy?.templates.find((each) => isTheSame(each, { kind, locale }));
      if (!it) throw noTemplate(kind, locale, t);
      await terminal.out(printable(it.text).replace(/\n$/, ""));
    });
}

function addSet(template: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addLocaleOption(addTenantOption(template.command("set"), t), t)
    .argument("<kind>", t(`what it says: ${KINDS}`, `类别：${KINDS}`), readKind)
    .argument(
      "<file>",
      t('the words, as Markdown; "-" reads them from stdin', '文案（Markdown）；"-" 表示标准输入'),
    )
    .description(t("set the words for one kind of message", "设置一类消息的文案"))
    .addHelpText(
      "after",
      `
${t("Example", "示例")}:
  hil template set question question.md --locale en

${t("Placeholders", "占位符")}:
  question      {title} {body} {context} {options} {instructions} {deadline} {asker}
  notice        {title} {body} {context} {asker}
  chat_id_hint  {chat_id} {chat_type} {sender}
  several_hint  {sender} {candidates}`,
    )
    .action(async (kind: MessageTemplate_Kind, file: string, { tenant = "", locale = "" }: Common) => {
      const text = (await readText(file, terminal)).trimEnd();
      if (text === "") {
        throw new CommandError(
          EXIT.usage,
          t(
            "the words are empty; to go back to HIL's own: hil template remove",
            "文案为空；恢复默认请用 hil template remove",
          ),
        );
      }
      const edit = (policy: TenantPolicy | undefined) => withTemplate(policy, { kind, locale, text });
      const changed = await changePolicy(await connect(), { tenantId: tenant, edit });
      terminal.note(
        t(
          `the words for ${words(kind, locale)} of tenant ${changed.id} are set; they hold within 5 s`,
          `租户 ${changed.id} 的 ${words(kind, locale)} 文案已设置，5 秒内生效`,
        ),
      );
    });
}

function addRemove(template: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addLocaleOption(addTenantOption(template.command("remove"), t), t)
    .argument("<kind>", t(`what it says: ${KINDS}`, `类别：${KINDS}`), readKind)
    .description(t("go back to HIL's own words", "恢复 HIL 自带的文案"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil template remove question --locale en`)
    .action(async (kind: MessageTemplate_Kind, { tenant = "", locale = "" }: Common) => {
      const edit = (policy: TenantPolicy | undefined) => {
        if (!policy?.templates.some((each) => isTheSame(each, { kind, locale })))
          throw noTemplate(kind, locale, t);
        return withTemplate(policy, { kind, locale });
      };
      const changed = await changePolicy(await connect(), { tenantId: tenant, edit });
      terminal.note(
        t(
          `the words for ${words(kind, locale)} of tenant ${changed.id} are HIL's own again`,
          `租户 ${changed.id} 的 ${words(kind, locale)} 已恢复默认文案`,
        ),
      );
    });
}

function addLocaleOption(command: Command, t: Terminal["t"]): Command {
  return command.addOption(
    new Option(
      "--locale <language>",
      t("for which language; default: every one without its own", "适用语言；默认为没有单独模板的语言"),
    ).choices(["zh-CN", "en"]),
  );
}

type TemplateKey = Pick<MessageTemplate, "kind" | "locale">;

/** A policy with one template set; without a text, taken away. Pure. */
export function withTemplate(
  policy: TenantPolicy | undefined,
  { kind, locale, text }: TemplateKey & { readonly text?: string },
): TenantPolicy {
  const edited = policy ? clone(TenantPolicySchema, policy) : create(TenantPolicySchema);
  const others = edited.templates.filter((each) => !isTheSame(each, { kind, locale }));
  edited.templates =
    text === undefined ? others : [...others, create(MessageTemplateSchema, { kind, locale, text })];
  return edited;
}

function isTheSame(one: TemplateKey, other: TemplateKey): boolean {
  return one.kind === other.kind && one.locale === other.locale;
}

function readKind(text: string): MessageTemplate_Kind {
  const kind = readEnumWord(MessageTemplate_KindSchema, text);
  if (kind === undefined) throw new InvalidArgumentError(`write one of ${KINDS}`);
  return kind as MessageTemplate_Kind;
}

function words(kind: MessageTemplate_Kind, locale: string): string {
  return `${enumWord(MessageTemplate_KindSchema, kind)}${locale && ` (${locale})`}`;
}

function noTemplate(kind: MessageTemplate_Kind, locale: string, t: Terminal["t"]): CommandError {
  return new CommandError(
    EXIT.notFound,
    t(
      `there is no template for ${words(kind, locale)}: HIL's own words are used`,
      `没有 ${words(kind, locale)} 的模板，使用 HIL 自带的文案`,
    ),
  );
}

/** The templates as lines, with a head. */
export function templateTable(
  templates: readonly MessageTemplate[],
  { t, columns }: Pick<Terminal, "t" | "columns">,
): string[] {
  const head = [t("KIND", "类别"), t("LANGUAGE", "语言"), t("WORDS", "文案")];
  const rows = templates.map(({ kind, locale, text }) => [
    enumWord(MessageTemplate_KindSchema, kind),
    locale || t("every", "全部"),
    oneLine(text),
  ]);
  return tableLines([head, ...rows], { columns, flexible: 2 });
}
