// Looks at MCP over HTTP, as an agent's program calls it.

import { ConnectError } from "@connectrpc/connect";
import type { Connection } from "../client.ts";
import { oneLine } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { type Finding, ok, problem } from "./finding.ts";
import { callFinding, HELLO, LIST, LOOK, type Message, REVISION, toolsFinding } from "./mcp-messages.ts";

const PATH = "/mcp";
const ACCEPT = { accept: "application/json, text/event-stream", "mcp-protocol-version": REVISION };

/** Says hello, lists the tools and, where `isCalled`, calls one that changes nothing. */
export async function checkMcpHttp(
  { service, http }: Connection,
  { t }: Terminal,
  { isCalled }: { readonly isCalled: boolean },
): Promise<Finding[]> {
  const url = `${service.baseUrl}${PATH}`;
  const send = async (message: object) => {
    const { status, body } = await http("POST", PATH, message, ACCEPT);
    return { status, body, message: readMessage(body) };
  };
  try {
    const hello = await send(HELLO);
    if (hello.status !== 200 || !hello.message?.result?.serverInfo) {
      return [
        problem(t(`${url} does not answer as MCP`, `${url} 未按 MCP 响应`), why(hello.status, hello.body, t)),
      ];
    }
    const listed = await send(LIST);
    const looked = isCalled ? await send(LOOK) : undefined;
    return [
      ok(t(`MCP over HTTP answers at ${url}`, `MCP（HTTP）运行于 ${url}`)),
      toolsFinding("HTTP", listed.message, t),
      ...(looked ? [callFinding("HTTP", looked.message, t)] : []),
    ];
  } catch (error) {
    const reason = ConnectError.from(error).rawMessage;
    return [
      problem(
        t(`nothing answers at ${url} (${reason})`, `${url} 没有响应（${reason}）`),
        t("start HIL, or check the address, the network and the proxy", "请启动 HIL，或检查地址、网络与代理"),
      ),
    ];
  }
}

/** What a status means here, and what to do. */
function why(status: number, body: string, t: Terminal["t"]): string {
  switch (status) {
    case 401:
      return t(
        "the key is not known, or none was sent: set HIL_API_KEY to a key of this HIL (hil key create)",
        "密钥无效或未提供：请将 HIL_API_KEY 设为此 HIL 的密钥（hil key create）",
      );
    case 403:
      return t(
        `it is refused: ${sentence(body)}; where that is the host's name, add it to HIL_ALLOWED_HOSTS of the server`,
        `请求被拒绝：${sentence(body)}；若原因是主机名，请将其加入服务端的 HIL_ALLOWED_HOSTS`,
      );
    case 404:
      return t(
        "there is nothing at this path: the HIL there is older than MCP over HTTP, or a proxy does not let /mcp through",
        "该路径不存在：服务端版本过旧，或反向代理未转发 /mcp",
      );
    case 429:
      return t("this key calls too often; wait a moment", "该密钥调用过于频繁，请稍候");
    default:
      return t(
        `HTTP ${status}: ${sentence(body)}; is --service-url the address of HIL itself, and not of something in front of it?`,
        `HTTP ${status}：${sentence(body)}；请确认 --service-url 指向 HIL 本身`,
      );
  }
}

/** The first words of an answer, or the sentence that HIL put into it. */
function sentence(body: string): string {
  try {
    const { error } = JSON.parse(body);
    return oneLine(typeof error === "string" ? error : error.message).slice(0, 200);
  } catch {
    return JSON.stringify(oneLine(body).slice(0, 80)); // not JSON: a page of something else
  }
}

/** The message in an answer: JSON, or the last of a stream of events. */
function readMessage(body: string): Message | undefined {
  const events = body.split(/\r?\n/).flatMap((line) => (line.startsWith("data:") ? [line.slice(5)] : []));
  try {
    return JSON.parse(events.at(-1) ?? body);
  } catch {
    return undefined;
  }
}
