import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import { dataFolder } from "../data-folder.ts";
import type { Finding } from "../doctor/finding.ts";
import { EXIT } from "../exit-code.ts";
import type { Terminal } from "../terminal.ts";
import { addDoctorMcp } from "./doctor-mcp.ts";

export function addDoctor(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  const doctor = program
    .command("doctor")
    .description(t("look for what keeps HIL from working", "检查影响 HIL 运行的问题"))
    .addHelpText(
      "after",
      `\n${t("Example", "示例")}:\n  hil doctor\n\n${t("It exits with 1 where something is wrong.", "发现问题时退出码为 1。")}`,
    )
    .action(() => reportFindings(context, findings(context)));
  addDoctorMcp(doctor, context);
}

/** Prints what was found, and sets the exit code. */
export async function reportFindings(
  { terminal, endWith }: CommandContext,
  found: AsyncIterable<Finding>,
): Promise<void> {
  const { t } = terminal;
  let problems = 0;
  for await (const finding of found) {
    if (finding.kind === "problem") problems += 1;
    await terminal.out(findingLine(finding, terminal));
  }
  terminal.note(
    problems === 0
      ? t("\nNothing is wrong.", "\n未发现问题。")
      : t(
          `\n${problems === 1 ? "One thing is" : `${problems} things are`} wrong.`,
          `\n发现 ${problems} 个问题。`,
        ),
  );
  endWith(problems === 0 ? EXIT.ok : EXIT.rejected);
}

async function* findings(context: CommandContext): AsyncIterable<Finding> {
  const { terminal } = context;
  const { environment, t } = terminal;
  const machine = await import("../doctor/machine.ts");
  const { checkChannels, checkServer } = await import("../doctor/server.ts");
  const { checkCredential } = await import("../doctor/credential.ts");
  const { checkSecretFiles } = await import("../doctor/secret-files.ts");
  const { checkMcpStdio } = await import("../doctor/mcp-stdio.ts");
  const { checkMcpHttp } = await import("../doctor/mcp-http.ts");

  yield machine.checkNode(t);
  const connection = await context.connect();
  const { service } = connection;
  if (service.loopback) {
    const folder = dataFolder(environment);
    yield* machine.checkDataFolder(folder, t);
    yield* checkSecretFiles(folder, environment, t);
  }
  yield machine.checkProxies(environment, t);
  const server = await checkServer(connection, terminal);
  yield* server.findings;
  if (server.reachable) {
    const credential = await checkCredential(connection, terminal);
    yield* credential;
    if (credential.every(({ kind }) => kind !== "problem")) {
      yield* await checkChannels(connection, terminal);
      yield* await checkMcpHttp(connection, terminal, { isCalled: false });
    }
  } else if (service.loopback) yield await machine.checkPort(Number(new URL(service.baseUrl).port || 80), t);
  yield* await checkMcpStdio(connection, terminal, { isCalled: false });
}

function findingLine(finding: Finding, { t }: Terminal): string {
  switch (finding.kind) {
    case "ok":
      return `ok       ${finding.what}`;
    case "hint":
      return `hint     ${finding.what}\n         → ${finding.remedy}`;
    case "problem":
      return `${t("PROBLEM", "问题 ")}  ${finding.what}\n         → ${finding.remedy}`;
  }
}
