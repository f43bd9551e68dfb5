// The process: MCP over stdio.
//
// P1. Nothing but JSON-RPC goes to stdout.
// P2. The process ends, with code 0, when stdin closes and on SIGTERM and SIGINT. Waits are given up; the
//     questions they waited for are not.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { McpServerFactory } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import type { Caller } from "./caller.ts";
import { PUBLISHED, type Way } from "./clients/client-entry.ts";
import { helpText, readCommand } from "./config.ts";
import manifest from "./package.json" with { type: "json" };
import { createAdapter } from "./server.ts";
import type { ToolHandlers } from "./tool-handlers.ts";

/** What an acknowledgement under way may take of the exit. */
const SETTLE_MS = 300;

const command = readCommand(process.argv.slice(2), process.env, dotenv());
switch (command.kind) {
  case "help":
    process.stdout.write(helpText());
    break;
  case "version":
    process.stdout.write(`${manifest.version}\n`);
    break;
  case "refused":
    note(command.sentence);
    process.exitCode = 2;
    break;
  case "serve": {
    command.config.notices.forEach(note);
    const { config } = command;
    const now = () => new Date();
    let loading: Promise<ToolHandlers> | undefined;
    const adapter = createAdapter({
      handlers() {
        loading ??= import("./stdio-handlers.ts").then((each) =>
          each.createStdioHandlers(config, { environment: process.env, now }),
        );
        return loading;
      },
      now,
      version: manifest.version,
    });
    const caller: Caller = {
      ...config,
      headers: undefined,
      principalId: undefined,
      drain: new AbortController().signal, // the process just ends (P2)
      origin: process.cwd(),
      readsFiles: true,
      handedOver: undefined,
      clientName: undefined,
    };
    serve(({ era }) => adapter.createServer(caller, era), adapter.settle);
    break;
  }
  case "measure": {
    const { ladder, file } = command.config;
    const { createMeasuringServer } = await import("./doctor/measuring-server.ts");
    const { openTrialLog } = await import("./doctor/trial-log.ts");
    const log = openTrialLog(file, () => new Date());
    serve(() => createMeasuringServer({ log, way: "stdio", ladder }));
    break;
  }
  case "measured": {
    const { findingsText } = await import("./doctor/findings-text.ts");
    const { openTrialLog } = await import("./doctor/trial-log.ts");
    const trials = openTrialLog(command.config.file, () => new Date()).trials();
    const wayOf = (kind: "stdio" | "http"): Way =>
      kind === "stdio" ? PUBLISHED : { kind: "http", url: "http://localhost:8080/mcp" };
    process.stdout.write(`${findingsText(trials, (en) => en, wayOf).join("\n")}\n`);
    break;
  }
}

/** Serves until the client or the system ends it (P2). `settle` resolves when nothing is left to be done. */
function serve(createServer: McpServerFactory, settle: () => Promise<unknown> = async () => {}): void {
  // A library that logs would break the protocol (P1).
  console.log = console.info = console.debug = console.error;
  const handle = serveStdio(createServer, { onerror: (error) => note(error.message) });
  let leaving = false;
  const leave = async () => {
    if (leaving) return;
    leaving = true;
    await Promise.race([Promise.all([handle.close(), settle()]), sleep(SETTLE_MS)]);
    process.exit(0);
  };
  process.stdin.on("end", leave).on("close", leave);
  process.on("SIGTERM", leave).on("SIGINT", leave);
  // The client went away without closing stdin; the next write to it would end the process with an error.
  process.stdout.on("error", leave);
}

function dotenv(): string {
  try {
    return readFileSync(".env", "utf8");
  } catch {
    return ""; // there is none, which is usual
  }
}

function note(sentence: string): void {
  process.stderr.write(`hil-mcp: ${sentence}\n`);
}
