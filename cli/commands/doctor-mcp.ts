// Finds out what keeps MCP from working, and measures what a client tolerates.

import { type Command, Option } from "commander";
import type { Way } from "hil-mcp/clients/client-entry.ts";
import type { Trial } from "hil-mcp/doctor/trial.ts";
import type { CommandContext } from "../context.ts";
import type { Finding } from "../doctor/finding.ts";
import { PROGRAM } from "../doctor/mcp-stdio.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import type { Translate } from "../terminal.ts";
import { reportFindings } from "./doctor.ts";

const LOOK_MS = 500;

export function addDoctorMcp(doctor: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  doctor
    .command("mcp")
    .description(
      t(
        "look at the MCP server, and measure how long a client waits",
        "检查 MCP 服务，并测量客户端的等待上限",
      ),
    )
    .option(
      "--measure",
      t("serve a tool that measures the client that calls it", "提供测量工具，由客户端调用"),
    )
    .option("--results", t("print what was measured, and what to set", "打印测量结果与建议设置"))
    .addOption(
      new Option(
        "--port <port>",
        t("where to measure over HTTP (any free port)", "HTTP 测量端口（默认任选）"),
      ),
    )
    .addOption(
      new Option("--seconds <list>", t("how long to hold calls: 45,65,130", "调用保持时长，如 45,65,130")),
    )
    .addHelpText(
      "after",
      `\n${t("Examples", "示例")}:\n  hil doctor mcp\n  hil doctor mcp --measure\n  hil doctor mcp --results\n\n${t("It exits with 1 where something is wrong.", "发现问题时退出码为 1。")}`,
    )
    .action(async (options: { measure?: true; results?: true; port?: string; seconds?: string }) => {
      if (options.results) return printResults(context);
      if (options.measure) return measure(context, options);
      await reportFindings(context, findings(context));
      terminal.note(
        t(
          "\nHow long does your client wait for an answer? hil doctor mcp --measure finds out.",
          "\n客户端能等待多久？运行 hil doctor mcp --measure 即可测量。",
        ),
      );
    });
}

async function* findings(context: CommandContext): AsyncIterable<Finding> {
  const { terminal } = context;
  const { checkMcpStdio } = await import("../doctor/mcp-stdio.ts");
  const { checkMcpHttp } = await import("../doctor/mcp-http.ts");
  const connection = await context.connect();
  yield* await checkMcpStdio(connection, terminal, { isCalled: true });
  yield* await checkMcpHttp(connection, terminal, { isCalled: true });
}

/** Serves until everything is known of one client, or the person ends it. */
async function measure(
  context: CommandContext,
  { port = "0", seconds = "" }: { port?: string; seconds?: string },
): Promise<void> {
  const { terminal } = context;
  const { environment, t, now } = terminal;
  const { endWords } = await import("hil-mcp/doctor/findings-text.ts");
  const { startMeasuringHttp } = await import("hil-mcp/doctor/measuring-http.ts");
  const { readLadder, REQUEST, trialFile } = await import("hil-mcp/doctor/trial.ts");
  const { openTrialLog } = await import("hil-mcp/doctor/trial-log.ts");
  const ladder = readLadder(seconds);
  if (!ladder) {
    throw new CommandError(
      EXIT.usage,
      t(
        "--seconds must be whole numbers that rise, with commas: 45,65,130",
        "--seconds 须为递增的整数，以逗号分隔：45,65,130",
      ),
    );
  }
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new CommandError(EXIT.usage, t("--port must be a port number", "--port 须为端口号"));
  }
  const log = openTrialLog(trialFile(environment.HIL_MCP_DOCTOR_FILE), now);
  const known = new Set(log.finished());
  const server = await startMeasuringHttp({ log, ladder }, Number(port));
  try {
    await terminal.out(t(`Over HTTP: ${server.url}`, `HTTP：${server.url}`));
    await terminal.out(t("Over stdio, as the entry of a client:", "stdio（客户端配置项）："));
    await terminal.out(JSON.stringify(stdioEntry(seconds), null, 2));
    await terminal.out(t(`\nThen tell your agent: ${REQUEST}`, `\n然后告诉你的智能体：${REQUEST}`));
    // Before the person reads of Ctrl-C, it must do what is said.
    const measured = untilMeasured(
      context,
      () => log.trials(),
      () => log.finished().some((id) => !known.has(id)),
      endWords,
    );
    const longest = Math.ceil((2 * ladder.reduce((sum, each) => sum + each, 0)) / 60);
    terminal.note(
      t(
        `It takes up to ${longest} minutes. Ctrl-C ends it; what was measured stays.`,
        `最长约 ${longest} 分钟。按 Ctrl-C 可结束，已有结果会保留。`,
      ),
    );
    await measured;
  } finally {
    await server.close();
  }
  await printResults(context);
}

/** Tells of each call as it ends. Resolves when `isDone`, or when the person has had enough. */
async function untilMeasured(
  { terminal: { note, t } }: CommandContext,
  trials: () => Trial[],
  isDone: () => boolean,
  endWords: (end: Trial["end"], t: Translate) => string,
): Promise<void> {
  const told = new Set(trials().map(stateOf));
  await new Promise<void>((resolve) => {
    const look = () => {
      for (const trial of trials()) {
        const state = stateOf(trial);
        if (told.has(state) || trial.end.kind === "open" || trial.end.kind === "answered") continue;
        told.add(state);
        const how = trial.withProgress ? t(", with progress", "，有进度通知") : "";
        note(`${trial.client}, ${trial.heldS} s${how}: ${endWords(trial.end, t)}`);
      }
      if (isDone()) end();
    };
    const timer = setInterval(look, LOOK_MS);
    const end = () => {
      clearInterval(timer);
      process.off("SIGINT", end).off("SIGTERM", end);
      resolve();
    };
    process.on("SIGINT", end).on("SIGTERM", end);
  });
}

const stateOf = ({ id, end }: Trial) => `${id} ${end.kind}`;

async function printResults({ terminal }: CommandContext): Promise<void> {
  const { environment, t, now } = terminal;
  const { findingsText } = await import("hil-mcp/doctor/findings-text.ts");
  const { trialFile } = await import("hil-mcp/doctor/trial.ts");
  const { openTrialLog } = await import("hil-mcp/doctor/trial-log.ts");
  const { serviceUrl } = await import("../client.ts");
  const { baseUrl } = serviceUrl(undefined, environment);
  const wayOf = (kind: Trial["way"]): Way =>
    kind === "stdio"
      ? { kind, command: "node", args: [PROGRAM, "--service-url", baseUrl] }
      : { kind, url: `${baseUrl}/mcp` };
  const trials = openTrialLog(trialFile(environment.HIL_MCP_DOCTOR_FILE), now).trials();
  for (const line of findingsText(trials, t, wayOf)) await terminal.out(line);
}

/** As most clients take it. */
function stdioEntry(seconds: string): object {
  const environment = { HIL_MCP_DOCTOR: "1", ...(seconds === "" ? {} : { HIL_MCP_DOCTOR_SECONDS: seconds }) };
  return { "hil-doctor": { command: "node", args: [PROGRAM], env: environment } };
}
