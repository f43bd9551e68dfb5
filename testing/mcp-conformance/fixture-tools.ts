// The tools that the conformance suite calls, by the names that it knows.

import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type InputRequiredResult,
  MissingRequiredClientCapabilityError,
  type RequestStateCodec,
  type ServerContext,
  type Tool,
} from "@modelcontextprotocol/server";
import type { taskResult } from "hil-mcp/tasks.ts";
import { moment, picture, SOUND, text } from "./fixture-content.ts";
import * as rounds from "./fixture-rounds.ts";

type FixtureResult = CallToolResult | InputRequiredResult | ReturnType<typeof taskResult>;

export interface FixtureTool {
  readonly inputSchema?: Tool["inputSchema"];
  readonly run: (
    context: ServerContext,
    input: Record<string, unknown>,
  ) => Promise<FixtureResult> | FixtureResult;
}

const content = (...parts: CallToolResult["content"]): FixtureTool => ({ run: () => ({ content: parts }) });

const CONTENT_TOOLS = {
  test_simple_text: content(text("This is a simple text response for testing.")),
  test_image_content: content(picture),
  test_audio_content: content({ type: "audio", data: SOUND, mimeType: "audio/wav" }),
  test_embedded_resource: content({
    type: "resource",
    resource: {
      uri: "test://embedded-resource",
      mimeType: "text/plain",
      text: "This is an embedded resource content.",
    },
  }),
  test_multiple_content_types: content(text("Multiple content types test:"), picture, {
    type: "resource",
    resource: {
      uri: "test://mixed-content-resource",
      mimeType: "application/json",
      text: JSON.stringify({ test: "data", value: 123 }),
    },
  }),
  test_error_handling: {
    run: () => ({
      content: [text("This tool intentionally returns an error for testing")],
      isError: true,
    }),
  },
} satisfies Record<string, FixtureTool>;

const NOTIFYING_TOOLS = {
  test_tool_with_logging: {
    async run({ mcpReq }) {
      await mcpReq.log("info", "Tool execution started");
      await moment();
      await mcpReq.log("info", "Tool processing data");
      await moment();
      await mcpReq.log("info", "Tool execution completed");
      return { content: [text("Logged.")] };
    },
  },
  test_logging_tool: {
    async run({ mcpReq }) {
      await mcpReq.log("info", "Only for those who asked for it");
      return { content: [text("Logged.")] };
    },
  },
  test_tool_with_progress: {
    async run({ mcpReq }) {
      const progressToken = mcpReq._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined) {
          const params = { progressToken, progress, total: 100 };
          await mcpReq.notify({ method: "notifications/progress", params });
        }
        await moment();
      }
      return { content: [text("Progressed.")] };
    },
  },
} satisfies Record<string, FixtureTool>;

/** A schema of many keywords, which must reach the client as it is. */
const WIDE_SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object" as const,
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

const SCHEMA_TOOLS = {
  json_schema_2020_12_tool: { ...content(text("ok")), inputSchema: WIDE_SCHEMA },
  test_missing_capability: {
    run(context) {
      if (capabilitiesOf(context).sampling) return { content: [text("Sampling is there.")] };
      throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
    },
  },
} satisfies Record<string, FixtureTool>;

/** Tools by name. `codec` seals the state of those that ask the client back. */
export function fixtureTools(codec: RequestStateCodec<rounds.RoundState>): Record<string, FixtureTool> {
  return {
    ...CONTENT_TOOLS,
    ...NOTIFYING_TOOLS,
    ...SCHEMA_TOOLS,
    ...rounds.roundTools(codec, capabilitiesOf),
  };
}

/** What the client of a request of 2026-07-28 said that it can do. */
export function capabilitiesOf({ mcpReq }: ServerContext): ClientCapabilities {
  const envelope = mcpReq.envelope as Record<string, ClientCapabilities | undefined> | undefined;
  return envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
}
