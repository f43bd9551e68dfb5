// Looks at the MCP server as an agent's program starts it: over stdio.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Connection } from "../client.ts";
import type { Terminal } from "../terminal.ts";
import { version } from "../version.ts";
import { type Finding, ok, problem } from "./finding.ts";
import { callFinding, HELLO, INITIALIZED, LIST, LOOK, type Message, toolsFinding } from "./mcp-messages.ts";

const ADAPTER = resolve(import.meta.dirname, "..", "..", "services", "mcp-adapter");
/** What clients start. */
export const PROGRAM = join(ADAPTER, "bin", "hil-mcp.mjs");
const PATIENCE_MS = 30_000;

/** Starts it, says hello, lists its tools and, where `isCalled`, calls one that changes nothing. */
export async function checkMcpStdio(
  { service, keys }: Pick<Connection, "service" | "keys">,
  { environment, t }: Pick<Terminal, "environment" | "t">,
  { isCalled, program = PROGRAM }: { readonly isCalled: boolean; readonly program?: string },
): Promise<Finding[]> {
  if (program === PROGRAM && !existsSync(join(ADAPTER, "dist", "hil-mcp.mjs"))) {
    return [problem(t("the MCP server is not built", "MCP 服务尚未构建"), "npm run build")];
  }
  const started = performance.now();
  const [key] = keys();
  const own = { DEVCLOUD_SERVICE_URL: service.baseUrl, ...(key === undefined ? {} : { HIL_API_KEY: key }) };
  const asked = isCalled ? [LIST, LOOK] : [LIST];
  const exchange = await converse(program, { ...environment, ...own }, asked);
  const findings: Finding[] = [];
  const [noise] = exchange.noise;
  if (noise !== undefined) {
    findings.push(
      problem(
        t(
          `the MCP server writes to stdout what is no JSON-RPC: ${noise}`,
          `MCP 服务向 stdout 输出了非 JSON-RPC 内容：${noise}`,
        ),
        t(
          "whatever prints that must print to stderr: clients give up at it",
          "应改为输出到 stderr，否则客户端会断开",
        ),
      ),
    );
  }
  const hello = exchange.answers.get(HELLO.id);
  if (!hello) {
    const why = exchange.complaint || t("it says nothing", "没有任何输出");
    return [
      ...findings,
      problem(t(`the MCP server does not answer: ${why}`, `MCP 服务无响应：${why}`), "npm run build"),
    ];
  }
  const ms = Math.round(exchange.helloMs - started);
  findings.push(ok(t(`the MCP server answers (${ms} ms)`, `MCP 服务响应正常（${ms} 毫秒）`)));
  const theirs = hello.result?.serverInfo?.version;
  if (theirs !== version()) {
    findings.push(
      problem(
        t(
          `the MCP server is version ${theirs}, and this is ${version()}`,
          `MCP 服务版本为 ${theirs}，本命令行为 ${version()}`,
        ),
        "npm run build",
      ),
    );
  }
  findings.push(toolsFinding("stdio", exchange.answers.get(LIST.id), t));
  if (isCalled) findings.push(callFinding("stdio", exchange.answers.get(LOOK.id), t));
  return findings;
}

interface Exchange {
  readonly answers: ReadonlyMap<unknown, Message>;
  /** Lines on stdout that are no JSON-RPC, cut. */
  readonly noise: readonly string[];
  /** The end of what it wrote to stderr. */
  readonly complaint: string;
  readonly helloMs: number;
}

/** Says everything in turn, and ends the program by closing its stdin, as clients do. */
async function converse(
  program: string,
  environment: NodeJS.ProcessEnv,
  asked: readonly { readonly id: number }[],
): Promise<Exchange> {
  const child = spawn(process.execPath, [program], { env: environment });
  const answers = new Map<unknown, Message>();
  const noise: string[] = [];
  let complaint = "";
  let helloMs = 0;
  child.stderr.on("data", (chunk: Buffer) => {
    complaint = `${complaint}${chunk.toString("utf8")}`.slice(-500).trim();
  });
  child.stdin.on("error", () => {}); // a program that ended early says so by its exit
  const say = (...messages: object[]) => {
    for (const message of messages) child.stdin.write(`${JSON.stringify(message)}\n`);
  };
  createInterface({ input: child.stdout }).on("line", (line) => {
    const message = parsed(line);
    if (!message) {
      noise.push(JSON.stringify(line.slice(0, 100)));
      return;
    }
    answers.set(message.id, message);
    if (message.id === HELLO.id) {
      helloMs = performance.now();
      say(INITIALIZED, ...asked);
    }
    if (asked.every(({ id }) => answers.has(id))) child.stdin.end();
  });
  say(HELLO);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
    child.once("error", (error) => {
      complaint = error.message;
      clearTimeout(timer);
      resolve();
    });
    child.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
  return { answers, noise, complaint, helloMs };
}

function parsed(line: string): Message | undefined {
  try {
    const message = JSON.parse(line);
    return message?.jsonrpc === "2.0" ? message : undefined;
  } catch {
    return undefined;
  }
}
