import { Code, ConnectError } from "@connectrpc/connect";
import { readServiceUrl } from "@hil/platform/client/service-url.ts";
import { expect, test } from "vitest";
import type { Connection } from "../client.ts";
import { checkMcpHttp } from "./mcp-http.ts";

/** Looks at a server that gives these answers, one after the other. */
function look(...answers: { status: number; body: string }[]) {
  const connection = {
    service: readServiceUrl("http://127.0.0.1:8080")!,
    async http() {
      const answer = answers.shift();
      if (!answer) throw new ConnectError("connect ECONNREFUSED", Code.Unavailable);
      return answer;
    },
  } as unknown as Connection;
  const terminal = { t: (en: string) => en } as never;
  return checkMcpHttp(connection, terminal, { isCalled: true });
}

const stream = (result: object) => ({
  status: 200,
  body: `: keep-alive\n\nevent: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: 1, result })}\n\n`,
});

test("a server that answers by streams is told with its tools", async () => {
  const hello = stream({ serverInfo: { name: "wecom-hil", version: "1" } });
  const findings = await look(hello, stream({ tools: [{}] }), stream({ structuredContent: {} }));
  expect(findings.map(({ kind, what }) => `${kind} ${what}`)).toEqual([
    "ok MCP over HTTP answers at http://127.0.0.1:8080/mcp",
    "ok 1 tools over HTTP",
    "ok a tool was called over HTTP",
  ]);
});

test.each([
  [{ status: 401, body: "{}" }, /HIL_API_KEY/],
  [
    { status: 403, body: '{"error":"this host is not served"}' },
    /this host is not served.*HIL_ALLOWED_HOSTS/,
  ],
  [{ status: 404, body: "" }, /older than MCP over HTTP/],
  [{ status: 429, body: "{}" }, /too often/],
  [{ status: 200, body: "<!doctype html>" }, /"<!doctype html>".*--service-url/],
  [
    { status: 400, body: '{"error":{"message":"Unsupported protocol version"}}' },
    /Unsupported protocol version/,
  ],
])("%j is told in words that say what to do", async (answer, remedy) => {
  expect(await look(answer)).toMatchObject([{ kind: "problem", remedy: expect.stringMatching(remedy) }]);
});

test("where nothing answers, that is said once", async () => {
  expect(await look()).toMatchObject([{ kind: "problem", what: expect.stringContaining("ECONNREFUSED") }]);
});
