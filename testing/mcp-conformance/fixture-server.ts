// The server that the conformance suite is run against: what the suite asks for, behind our own transport.

import { randomBytes } from "node:crypto";
import type { McpHttp } from "@hil/gateway/service.ts";
import { callHeaders } from "@hil/platform/http/entrance.ts";
import type { Authenticate } from "@hil/platform/rpc/service.ts";
import { silentLog } from "@hil/platform/telemetry/log.ts";
import {
  type CallToolResult,
  createRequestStateCodec,
  ProtocolError,
  ProtocolErrorCode,
  type RequestStateCodec,
  Server,
} from "@modelcontextprotocol/server";
import { createStreamableHttp } from "hil-mcp/http/streamable-http.ts";
import { serveTasks, TASKS_CAPABILITY } from "hil-mcp/tasks.ts";
import { findPrompt, listPrompts } from "./fixture-prompts.ts";
import { RESOURCES, readResource, TEMPLATES } from "./fixture-resources.ts";
import type { RoundState } from "./fixture-rounds.ts";
import { FixtureTasks, taskTools } from "./fixture-tasks.ts";
import { fixtureTools } from "./fixture-tools.ts";

/** Serves the fixture at /mcp of a gateway. */
export function createFixtureHttp(authenticate: Authenticate): McpHttp {
  const codec = createRequestStateCodec<RoundState>({ key: randomBytes(32) });
  const tasks = new FixtureTasks();
  const transport = createStreamableHttp({
    createServer: ({ era }) => createFixture(codec, era === "modern" ? tasks : undefined),
    log: silentLog,
  });
  return {
    matches: (path) => path === "/mcp",
    async handle(request, response, credential) {
      const principal = await authenticate(callHeaders(credential));
      await transport.handle(request, response, { principal, extra: {} });
    },
  };
}

const NOTHING = { type: "object" as const };

function createFixture(codec: RequestStateCodec<RoundState>, tasks: FixtureTasks | undefined): Server {
  const tools = { ...fixtureTools(codec), ...(tasks ? taskTools(tasks) : {}) };
  const server = new Server(
    { name: "hil-conformance-fixture", version: "1.0.0" },
    {
      capabilities: {
        tools: {},
        resources: { subscribe: true },
        prompts: {},
        logging: {},
        completions: {},
        ...(tasks ? TASKS_CAPABILITY : {}),
      },
      requestState: { verify: codec.verify },
    },
  );
  if (tasks) serveTasks(server, tasks);
  server.setRequestHandler("tools/list", () => ({
    tools: Object.entries(tools).map(([name, { inputSchema = NOTHING }]) => ({
      name,
      description: `The suite's ${name}`,
      inputSchema,
    })),
  }));
  server.setRequestHandler("tools/call", ({ params }, context) => {
    const tool = tools[params.name];
    if (!tool) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `there is no tool ${params.name}`);
    // A task is no result that the SDK knows; it lets it through.
    return tool.run(context, params.arguments ?? {}) as CallToolResult;
  });
  server.setRequestHandler("resources/list", () => ({ resources: [...RESOURCES] }));
  server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: [...TEMPLATES] }));
  server.setRequestHandler("resources/read", ({ params }) => ({ contents: [readResource(params.uri)] }));
  server.setRequestHandler("resources/subscribe", () => ({}));
  server.setRequestHandler("resources/unsubscribe", () => ({}));
  server.setRequestHandler("prompts/list", () => ({ prompts: listPrompts() }));
  server.setRequestHandler("prompts/get", ({ params }, context) => {
    const prompt = findPrompt(params.name);
    if (!prompt)
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `there is no prompt ${params.name}`);
    return prompt(params.arguments ?? {}, context);
  });
  server.setRequestHandler("completion/complete", () => ({ completion: { values: ["paris", "park"] } }));
  return server;
}
