// The command line `hil`. The only file of it that acts on import.

import { ConnectError } from "@connectrpc/connect";
import { CommanderError } from "commander";
import type { CommandContext } from "./context.ts";
import { CommandError, EXIT, exitCodeOfError, isConfigurationError } from "./exit-code.ts";
import { createProgram, serviceUrlOf } from "./program.ts";
import { printable } from "./table.ts";
import { processTerminal } from "./terminal.ts";

const terminal = processTerminal();
const { t } = terminal;

const context: CommandContext = {
  terminal,
  async connect() {
    const { connect } = await import("./client.ts");
    return connect(serviceUrlOf(program), terminal);
  },
  endWith(exitCode) {
    process.exitCode = exitCode;
  },
};

const program = createProgram(context);

try {
  await program.parseAsync();
  process.exit(); // kept-alive connections must not hold a command that is through
} catch (error) {
  process.exit(report(error));
}

/** Says what went wrong as a sentence. Commander has said it for its own errors. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const exitCode = exitCodeOfError(error);
  terminal.note(`hil: ${sentence(error, exitCode)}`);
  return exitCode;
}

function sentence(error: unknown, exitCode: number): string {
  if (error instanceof CommandError || isConfigurationError(error)) return error.message;
  if (exitCode === EXIT.internal && !(error instanceof ConnectError)) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const { rawMessage } = ConnectError.from(error);
  if (exitCode !== EXIT.unavailable) return printable(rawMessage);
  return t(
    `the server cannot be reached (${printable(rawMessage)}); is it running? "npm start" in the checkout starts it, "hil doctor" looks closer`,
    `无法连接服务（${printable(rawMessage)}）；服务在运行吗？在项目目录执行 "npm start" 启动，或用 "hil doctor" 检查`,
  );
}
