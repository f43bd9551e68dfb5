import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Tenant_State, TenantSchema } from "@hil/gen/hil/access/v1/access_pb.ts";
import { GetStatisticsResponseSchema } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import type { Command } from "commander";
import { addPolicyOptions, type GivenPolicy } from "../administration/policy-options.ts";
import { statisticsLines } from "../administration/statistics-lines.ts";
import { givesPolicy, newPolicy, updatePolicy } from "../administration/tenant-policy.ts";
import { tenantLines, tenantTable } from "../administration/tenant-words.ts";
import { confirm } from "../confirmation.ts";
import type { CommandContext } from "../context.ts";
import { jsonLine, prettyJson } from "../contract-json.ts";
import { readLimit } from "../option-values.ts";
import { allOf, pages } from "../paging.ts";
import { type PointInTime, readPointInTime, timeOf } from "../point-in-time.ts";

export function addTenant(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  const tenant = program
    .command("tenant")
    .description(t("administer tenants: teams that share this deployment", "管理租户：共用本服务的团队"))
    .helpCommand(false);
  for (const add of [addList, addShow, addCreate, addUpdate, addSuspend, addResume, addStats]) {
    add(tenant, context);
  }
}

function addList(tenant: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  tenant
    .command("list")
    .description(t("list the tenants, by id", "按编号列出租户"))
    .option("--limit <number>", t("how many at most", "最多条数"), readLimit)
    .option("--json", t("one JSON object on each line", "每行一个 JSON 对象"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil tenant list`)
    .action(async ({ limit, json }: { limit?: number; json?: boolean }) => {
      const { access } = await connect();
      const load = async (page: { pageSize: number; pageToken: string }) => {
        const { tenants, nextPageToken } = await access.listTenants(page);
        return { items: tenants, nextPageToken };
      };
      const tenants = await allOf(pages(load, limit));
      const lines = json
        ? tenants.map((each) => jsonLine(TenantSchema, each))
        : tenantTable(tenants, terminal);
      for (const line of lines) await terminal.out(line);
    });
}

function addShow(tenant: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  tenant
    .command("show")
    .argument("[tenant]", t("its id; default: the key's own", "租户编号；默认为密钥所属租户"))
    .description(t("show a tenant and what holds for it", "查看租户及其策略"))
    .option("--policy", t("print its policy alone, for an editor", "只输出策略，便于编辑"))
    .option("--json", t("print all of it as JSON", "以 JSON 输出"))
    .addHelpText(
      "after",
      `\n${t("Examples", "示例")}:\n  hil tenant show shop\n  hil tenant show shop --policy > shop.yaml   # ${t("edit it, then", "编辑后")}:\n  hil tenant update shop --policy shop.yaml`,
    )
    .action(async (tenantId = "", { policy, json }: { policy?: boolean; json?: boolean }) => {
      const { access } = await connect();
      const { tenant: found } = await access.getTenant({ tenantId });
      if (json) {
        await terminal.out(prettyJson(TenantSchema, found!));
        return;
      }
      const { policyFile, policyYaml } = await import("../administration/policy-file.ts");
      if (policy)
        await terminal.out(policyFile(found!).replace(/\n$/, "")); // it is ended by out
      else
        for (const line of tenantLines(found!, policyYaml(found!.policy), terminal)) await terminal.out(line);
    });
}

function addCreate(tenant: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  const command = tenant
    .command("create")
    .argument("<tenant>", t("its id: a-z, 0-9, _ and -", "租户编号：a-z、0-9、_ 和 -"))
    .description(t("make a tenant", "创建租户"))
    .option("--name <name>", t("the name to show; default: the id", "显示名称；默认为编号"))
    .option("--json", t("print it as JSON", "以 JSON 输出"));
  addPolicyOptions(command, t)
    .addHelpText(
      "after",
      `\n${t("Examples", "示例")}:\n  hil tenant create shop --name "Shop team"\n  hil tenant create shop --default-timeout 20m --max-timeout 8h --limit open_sessions=100`,
    )
    .action(async (tenantId: string, options: TenantOptions) => {
      const policy = await newPolicy(options, terminal);
      const { access } = await connect();
      const { tenant: made } = await access.createTenant({
        tenantId,
        displayName: options.name ?? "",
        policy,
      });
      if (options.json) await terminal.out(prettyJson(TenantSchema, made!));
      else
        terminal.note(
          t(
            `tenant ${tenantId} is there; next: hil key create NAME --tenant ${tenantId}, hil member add NAME --tenant ${tenantId}`,
            `租户 ${tenantId} 已创建；下一步：hil key create 名称 --tenant ${tenantId}、hil member add 姓名 --tenant ${tenantId}`,
          ),
        );
    });
}

interface TenantOptions extends GivenPolicy {
  readonly name?: string;
  readonly json?: boolean;
}

function addUpdate(tenant: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  const command = tenant
    .command("update")
    .argument("[tenant]", t("its id; default: the key's own", "租户编号；默认为密钥所属租户"))
    .description(
      t("change what holds for a tenant; what is not said stays", "修改租户策略，未指定的保持不变"),
    )
    .option("--name <name>", t("the name to show", "显示名称"))
    .option("--json", t("print it as JSON", "以 JSON 输出"));
  addPolicyOptions(command, t)
    .addHelpText(
      "after",
      `
${t("Examples", "示例")}:
  hil tenant update shop --quiet-hours 22:00-08:00 --time-zone Asia/Shanghai
  hil tenant update shop --allow-chat wecom-robot/wrk123 --retention 90d --limit open_sessions=100
  hil tenant update shop --mask-rule "employee number=E[0-9]{6}" --unmask phone_number
  hil tenant update shop --max-timeout default

${t('The word "default" gives a length of time or the locale back to the settings of the deployment.', '写 "default" 可让时限或语言恢复为服务的设置。')}`,
    )
    .action(async (tenantId = "", options: TenantOptions) => {
      if (options.name === undefined && !givesPolicy(options)) {
        command.error(
          `error: ${t("nothing to change was said; see --help", "没有指定要修改的内容，见 --help")}`,
        );
      }
      const connection = await connect();
      const updated = await updatePolicy(
        connection,
        { tenantId, options, displayName: options.name },
        terminal,
      );
      if (options.json) await terminal.out(prettyJson(TenantSchema, updated));
      else
        terminal.note(
          t(
            `tenant ${updated.id} is changed (version ${updated.version}); it holds within 5 s`,
            `租户 ${updated.id} 已更新（版本 ${updated.version}），5 秒内生效`,
          ),
        );
    });
}

function addSuspend(tenant: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  tenant
    .command("suspend")
    .argument("<tenant>", t("its id", "租户编号"))
    .description(t("refuse all credentials of a tenant, within 5 s", "停用租户的全部凭证，5 秒内生效"))
    .option("-y, --yes", t("do not ask", "不再询问"))
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil tenant suspend shop\n\n${t("Nothing is deleted, and open questions run to their deadline.", "不会删除数据，已提出的问题继续计时到截止。")}`,
    )
    .action(async (tenantId: string, options: { yes?: boolean }) => {
      const question = t(`Refuse all keys and people of ${tenantId}?`, `停用 ${tenantId} 的全部密钥与成员？`);
      await confirm(terminal, question, options);
      const { access } = await context.connect();
      await access.updateTenant({ tenantId, state: Tenant_State.SUSPENDED });
      terminal.note(
        t(
          `tenant ${tenantId} is suspended; to undo it: hil tenant resume ${tenantId}`,
          `租户 ${tenantId} 已停用；恢复：hil tenant resume ${tenantId}`,
        ),
      );
    });
}

function addResume(tenant: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  tenant
    .command("resume")
    .argument("<tenant>", t("its id", "租户编号"))
    .description(t("let a suspended tenant's credentials work again", "恢复被停用的租户"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil tenant resume shop`)
    .action(async (tenantId: string) => {
      const { access } = await connect();
      await access.updateTenant({ tenantId, state: Tenant_State.ACTIVE });
      terminal.note(t(`tenant ${tenantId} is active`, `租户 ${tenantId} 已恢复`));
    });
}

interface StatsOptions {
  readonly since: PointInTime;
  readonly until?: PointInTime;
  readonly timeZone?: string;
  readonly json?: boolean;
}

function addStats(tenant: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  tenant
    .command("stats")
    .argument("[tenant]", t("its id; default: the key's own", "租户编号；默认为密钥所属租户"))
    .description(t("count a tenant's questions and how long answers took", "统计租户的提问与回答用时"))
    .option(
      "--since <time>",
      t("asked at this time or later: 7d (ago), 2026-11-20", "起始时间：7d（之前）、2026-11-20"),
      readPointInTime,
      { kind: "ago", ms: 30 * 86_400_000 } satisfies PointInTime,
    )
    .option(
      "--until <time>",
      t("asked before this time; default: now", "截止时间；默认现在"),
      readPointInTime,
    )
    .option(
      "--time-zone <zone>",
      t("whose midnight separates the days; default: this machine's", "按哪个时区划分日期；默认为本机时区"),
    )
    .option("--json", t("print them as JSON", "以 JSON 输出"))
    .addHelpText(
      "after",
      `\n${t("Examples", "示例")}:\n  hil tenant stats\n  hil tenant stats shop --since 7d --time-zone Asia/Shanghai`,
    )
    .action(async (tenantId = "", { since, until, timeZone, json }: StatsOptions) => {
      const { sessions } = await connect();
      const now = terminal.now();
      const statistics = await sessions.getStatistics({
        tenantId,
        since: timestampFromDate(timeOf(since, now)),
        until: until && timestampFromDate(timeOf(until, now)),
        timeZone: timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
      });
      if (json) await terminal.out(prettyJson(GetStatisticsResponseSchema, statistics));
      else for (const line of statisticsLines(statistics, terminal)) await terminal.out(line);
    });
}
