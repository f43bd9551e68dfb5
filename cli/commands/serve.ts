import { resolve } from "node:path";
import { readDeliveryConfig } from "@hil/delivery/config.ts";
import { ConfigurationError } from "@hil/platform/config/environment.ts";
import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import type { Embedded } from "../embedded.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import type { Terminal } from "../terminal.ts";

/** A terminal and a launcher may both pass one Ctrl-C on; only a second one from the person is impatience. */
const SAME_SIGNAL_MS = 1000;

interface ServeOptions {
  readonly host?: string;
  readonly port?: string;
  readonly dataDir?: string;
}

export function addServe(program: Command, context: CommandContext): void {
  const { terminal } = context;
  const { t } = terminal;
  program
    .command("serve")
    .description(t("run the whole product in this process", "在本进程中运行整个服务"))
    .option(
      "--host <address>",
      t("where to listen; default: HIL_HOST, 127.0.0.1", "监听地址；默认取 HIL_HOST，即 127.0.0.1"),
    )
    .option("--port <number>", t("default: HIL_PORT, 8080", "默认取 HIL_PORT，即 8080"))
    .option("--data-dir <folder>", t("default: HIL_DATA_DIR, ./data", "默认取 HIL_DATA_DIR，即 ./data"))
    .addHelpText("after", `\n${t("Example", "示例")}:\n  hil serve --port 8090 --data-dir /var/lib/hil`)
    .action(async ({ host, port, dataDir }: ServeOptions) => {
      const environment = {
        ...terminal.environment,
        ...(host ? { HIL_HOST: host } : {}),
        ...(port ? { HIL_PORT: port } : {}),
        ...(dataDir ? { HIL_DATA_DIR: dataDir } : {}),
      };
      const stop = untilStopped(terminal);
      const embedded = await start(environment);
      const robot = robotOf(environment);
      const lines = bannerLines(embedded, { robot, signInUrl: await embedded.signInUrl(), t });
      for (const line of lines) await terminal.out(line);
      const signal = await stop;
      terminal.note(
        t(`${signal}: ending what is under way, 10 s at most`, `收到 ${signal}：正在收尾，最多 10 秒`),
      );
      await embedded.close();
      context.endWith(EXIT.ok);
    });
}

async function start(environment: NodeJS.ProcessEnv): Promise<Embedded> {
  try {
    const { startEmbedded } = await import("../embedded.ts");
    const { createLog } = await import("@hil/platform/telemetry/log.ts");
    const { exitOnCrash } = await import("@hil/platform/lifecycle/crash.ts");
    exitOnCrash(createLog("fatal"));
    return await startEmbedded({ environment });
  } catch (error) {
    // What the listener says has the system's own error as its cause. Anything else is our own fault.
    const isSentence =
      error instanceof ConfigurationError || (error instanceof Error && error.cause !== undefined);
    if (!isSentence) throw error;
    throw new CommandError(EXIT.configuration, error.message, { cause: error });
  }
}

/** Resolves to the first signal to stop. A second one, later than a moment, ends the process at once. */
function untilStopped({ now }: Terminal): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    const stop = (signal: NodeJS.Signals) => {
      const ms = now().getTime();
      if (firstMs !== undefined && ms - firstMs > SAME_SIGNAL_MS)
        process.exit(signal === "SIGINT" ? 130 : 143);
      firstMs ??= ms;
      resolve(signal);
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
  });
}

/** Who calls the robot of the deployment. */
type Robot = "hil" | "relays" | "nobody";

/** Who does, by the settings. */
export function robotOf(environment: NodeJS.ProcessEnv): Robot {
  const { relays, wecomRobot } = readDeliveryConfig(environment);
  if (relays.robotWay === "relay") return "relays";
  return wecomRobot.botKey === undefined ? "nobody" : "hil";
}

/** What a person needs first. */
export function bannerLines(
  embedded: Pick<Embedded, "url" | "dataDir" | "newOwnerKey" | "relayPort">,
  { robot, signInUrl, t }: { robot: Robot; signInUrl: string; t: Terminal["t"] },
): string[] {
  const key = embedded.newOwnerKey;
  // Elsewhere than where `hil` looks by itself, it must be told.
  const told = [
    ...(new URL(embedded.url).port === "8080" ? [] : [`HIL_SERVICE_URL=${embedded.url}`]),
    ...(embedded.dataDir === resolve("data") ? [] : [`HIL_DATA_DIR=${embedded.dataDir}`]),
    "npx hil",
  ].join(" ");
  return [
    "",
    t(`HIL is ready at ${embedded.url}`, `HIL 已就绪：${embedded.url}`),
    "",
    `  ${t("Console, sign in once", "控制台（一次性登录）")}  ${signInUrl}`,
    ...(key ? [`  ${t("Owner key, shown this once", "所有者密钥（仅显示一次）")}  ${key}`] : []),
    `  ${t("Data", "数据目录")}  ${embedded.dataDir}`,
    `  ${t("WeCom robot", "企业微信机器人")}  ${robotWords(robot, t)}`,
    ...(embedded.relayPort === undefined
      ? []
      : [
          `  ${t("Relays", "内网中转")}  ${t(
            `attach at port ${embedded.relayPort}; see docs/relay.md`,
            `接入端口 ${embedded.relayPort}；见 docs/relay.md`,
          )}`,
        ]),
    "",
    t(
      "Ask a first question from another terminal, in this folder:",
      "在另一个终端（同一目录）中提出第一个问题：",
    ),
    `  ${told} ask "${t("Shall I go on?", "要继续吗？")}" --confirm`,
    "",
  ];
}

function robotWords(robot: Robot, t: Terminal["t"]): string {
  switch (robot) {
    case "hil":
      return t("configured (BOT_KEY)", "已配置（BOT_KEY）");
    case "relays":
      return t("run by relays (HIL_MODE=relay)", "由内网中转运行（HIL_MODE=relay）");
    case "nobody":
      return t(
        "not configured: questions are shown in the console; see docs/channels/wecom-robot.md",
        "未配置：问题只显示在控制台；见 docs/channels/wecom-robot.md",
      );
  }
}
