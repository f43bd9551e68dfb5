import { AuditRecordSchema } from "@hil/gen/hil/access/v1/audit_pb.ts";
import { type Command, Option } from "commander";
import {
  AUDIT_SERVICES,
  type AuditFilterOptions,
  auditRecords,
  servicesOf,
} from "../administration/audit-sources.ts";
import { auditTable, newestFirst } from "../administration/audit-words.ts";
import { addTenantOption } from "../administration/tenant-option.ts";
import type { CommandContext } from "../context.ts";
import { jsonLine } from "../contract-json.ts";
import { dataFolder } from "../data-folder.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { readLimit, readText } from "../option-values.ts";
import { allOf } from "../paging.ts";
import { readPointInTime } from "../point-in-time.ts";
import { printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export function addAudit(program: Command, context: CommandContext): void {
  const { t } = context.terminal;
  const audit = program
    .command("audit")
    .description(t("read and verify who did what", "查看与校验操作记录"))
    .helpCommand(false);
  for (const add of [addList, addExport, addVerify]) add(audit, context);
}

function addFilterOptions(command: Command, t: Terminal["t"]): Command {
  return addTenantOption(command, t)
    .addOption(
      new Option(
        "--service <service>",
        t("only of this service; default: all", "仅此服务；默认全部"),
      ).choices([...AUDIT_SERVICES]),
    )
    .option(
      "--who <principal>",
      t("only of this one: owner, member:…, key:…", "仅此操作者：owner、member:…、key:…"),
    )
    .option(
      "--action <action>",
      t("only this action, or all of a kind: api_key.", "仅此操作，或一类操作：api_key."),
    )
    .option("--resource <resource>", t("only what was done to this: session/…", "仅此对象：session/…"))
    .option(
      "--since <time>",
      t("at this time or later: 24h (ago), 2026-11-20", "起始时间：24h（之前）、2026-11-20"),
      readPointInTime,
    )
    .option("--until <time>", t("before this time", "截止时间"), readPointInTime);
}

function addList(audit: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addFilterOptions(audit.command("list"), t)
    .description(t("list what was done, newest first", "列出操作记录，最新的在前"))
    .option("--limit <number>", t("how many at most", "最多条数"), readLimit, 50)
    .option("--json", t("one JSON object on each line", "每行一个 JSON 对象"))
    .addHelpText(
      "after",
      `\n${t("Examples", "示例")}:\n  hil audit list --since 24h\n  hil audit list --service access --action api_key.`,
    )
    .action(async (options: AuditFilterOptions & { limit: number; json?: boolean }) => {
      const connection = await connect();
      const now = terminal.now();
      const lists = await Promise.all(
        servicesOf(options).map((service) =>
          allOf(auditRecords(connection, service, options, now, options.limit)),
        ),
      );
      const records = newestFirst(lists, options.limit);
      if (options.json) {
        for (const each of records) await terminal.out(jsonLine(AuditRecordSchema, each));
      } else if (records.length === 0) {
        terminal.note(t("There are no such records.", "没有符合条件的记录。"));
      } else {
        for (const line of auditTable(records, terminal)) await terminal.out(line);
      }
    });
}

function addExport(audit: Command, { terminal, connect }: CommandContext): void {
  const { t } = terminal;
  addFilterOptions(audit.command("export"), t)
    .description(t("print all records as JSON lines, service by service", "以 JSON 行导出全部记录（逐服务）"))
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil audit export --since 2026-11-01 --until 2026-12-01 > november.jsonl`,
    )
    .action(async (options: AuditFilterOptions) => {
      const connection = await connect();
      const now = terminal.now();
      let count = 0;
      for (const service of servicesOf(options)) {
        for await (const record of auditRecords(connection, service, options, now)) {
          await terminal.out(jsonLine(AuditRecordSchema, record));
          count += 1;
        }
      }
      terminal.note(t(`${count} records`, `共 ${count} 条记录`));
    });
}

interface VerifyOptions {
  readonly dataDir?: string;
  readonly database?: string;
  readonly checkpoints?: string;
  readonly key?: string;
  readonly json?: boolean;
}

function addVerify(audit: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  audit
    .command("verify")
    .description(
      t(
        "look for any record of a data folder that was changed, taken out, moved or cut off; needs no server",
        "离线校验数据目录中的操作记录是否被修改、删除、移动或截断",
      ),
    )
    .option("--data-dir <folder>", t("default: HIL_DATA_DIR, ./data", "默认取 HIL_DATA_DIR，即 ./data"))
    .option(
      "--database <url>",
      t(
        "the PostgreSQL database of a distributed deployment; default: HIL_DATABASE_URL, or the files of the folder",
        "分布式部署的 PostgreSQL 数据库；默认取 HIL_DATABASE_URL，否则为数据目录内的文件",
      ),
    )
    .option(
      "--checkpoints <file>",
      t(
        "a copy of the checkpoints that was kept elsewhere; default: HIL_AUDIT_CHECKPOINTS, or those of the folder",
        "另处保存的检查点副本；默认取 HIL_AUDIT_CHECKPOINTS 或数据目录内的检查点",
      ),
    )
    .option(
      "--key <file>",
      t(
        "the public keys as they were published; default: those of the folder",
        "已公布的公钥；默认取数据目录内的公钥",
      ),
    )
    .option("--json", t("print the report as JSON", "以 JSON 输出报告"))
    .addHelpText(
      "after",
      `
${t("Examples", "示例")}:
  hil audit verify
  hil audit verify --data-dir /mnt/backup/data --checkpoints /mnt/worm/checkpoints.jsonl --key hil-keys.json

${t("It exits with 1 where something is wrong. It needs the master key, as the server does.", "发现问题时退出码为 1。与服务一样需要主密钥。")}`,
    )
    .action(async (options: VerifyOptions) => {
      const report = await verify(options, terminal);
      if (options.json) await terminal.out(JSON.stringify(report, undefined, 2));
      else await printReport(report, terminal);
      context.endWith(report.problemCount === 0 ? EXIT.ok : EXIT.rejected);
    });
}

async function verify({ dataDir, database, checkpoints, key }: VerifyOptions, terminal: Terminal) {
  const { environment, t } = terminal;
  const { readCheckpointsPath } = await import("@hil/platform/audit/config.ts");
  const { verifyAuditLogs } = await import("@hil/platform/audit/verify.ts");
  const { readPublicJwks } = await import("@hil/platform/signing/jws.ts");
  const { readPublicKeys } = await import("@hil/platform/signing/signing-key.ts");
  const { openVault } = await import("@hil/platform/secrets/vault.ts");
  const folder = dataFolder(environment, dataDir);
  const { auditKey } = openVault({ dataDir: folder, environment, mayMake: false });
  const publicJwks = key ? readPublicJwks(await readText(key, terminal)) : readPublicKeys(folder);
  if (!publicJwks) {
    throw new CommandError(
      EXIT.notFound,
      t(
        `there are no public keys in ${key ?? folder}; give them with --key: a server publishes them at /.well-known/hil-keys.json`,
        `${key ?? folder} 中没有公钥；请用 --key 指定，服务在 /.well-known/hil-keys.json 公布公钥`,
      ),
    );
  }
  const checkpointsPath = checkpoints || readCheckpointsPath(environment);
  const isCopy = checkpoints !== undefined;
  return verifyAuditLogs({
    dataDir: folder,
    database: database || environment.HIL_DATABASE_URL,
    auditKey,
    publicJwks,
    checkpointsPath,
    isCopy,
  });
}

async function printReport(
  report: Awaited<ReturnType<typeof verify>>,
  { out, note, t }: Terminal,
): Promise<void> {
  const { problemLine } = await import("@hil/platform/audit/verify.ts");
  for (const problem of report.problems) await out(printable(problemLine(problem)));
  if (report.problemCount > report.problems.length) {
    note(
      t(
        `… and ${report.problemCount - report.problems.length} more`,
        `……另有 ${report.problemCount - report.problems.length} 处`,
      ),
    );
  }
  const { records, chains, checkpoints, problemCount } = report;
  const read = t(
    `${counted(records, "record")} in ${counted(chains, "chain")}, ${counted(checkpoints, "checkpoint")}`,
    `${chains} 条链，共 ${records} 条记录，${checkpoints} 个检查点`,
  );
  note(
    problemCount === 0
      ? t(`${read}: everything is as it was written`, `${read}：与写入时一致`)
      : t(
          `${read}: ${problemCount === 1 ? "one thing is" : `${problemCount} things are`} wrong`,
          `${read}：发现 ${problemCount} 处问题`,
        ),
  );
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
