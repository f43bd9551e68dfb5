// Tools that ask the client back before they answer. Since 2026-07-28 they do that with a result, and the client calls
// again with what was asked for and the state that it was given.

import {
  acceptedContent,
  type ClientCapabilities,
  inputRequired,
  inputResponse,
  type RequestStateCodec,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { text } from "./fixture-content.ts";
import type { FixtureTool } from "./fixture-tools.ts";

export interface RoundState {
  readonly round: number;
}

const elicit = (message: string, properties: Record<string, { type: string }>) =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: "object", properties, required: Object.keys(properties) } as never,
  });
const ASK_NAME = elicit("What is your name?", { name: { type: "string" } });
const sample = (words: string) =>
  inputRequired.createMessage({
    messages: [{ role: "user", content: text(words) }],
    maxTokens: 100,
  });

export function roundTools(
  codec: RequestStateCodec<RoundState>,
  capabilitiesOf: (context: ServerContext) => ClientCapabilities,
): Record<string, FixtureTool> {
  const stateful = (name: string, done: string): FixtureTool => ({
    async run({ mcpReq }) {
      const answer = acceptedContent(mcpReq.inputResponses, name);
      if (answer && mcpReq.requestState<RoundState>()?.round === 1) return { content: [text(done)] };
      const inputRequests = { [name]: elicit("Please confirm", { ok: { type: "boolean" } }) };
      return inputRequired({ inputRequests, requestState: await codec.mint({ round: 1 }) });
    },
  });
  return {
    test_input_required_result_elicitation: {
      run({ mcpReq }) {
        const answer = acceptedContent<{ name?: unknown }>(mcpReq.inputResponses, "user_name");
        if (typeof answer?.name !== "string")
          return inputRequired({ inputRequests: { user_name: ASK_NAME } });
        return { content: [text(`Hello, ${answer.name}!`)] };
      },
    },
    test_streaming_elicitation: {
      run: () => inputRequired({ inputRequests: { user_name: ASK_NAME } }),
    },
    test_input_required_result_sampling: {
      run({ mcpReq }) {
        const answer = inputResponse(mcpReq.inputResponses, "capital_question");
        if (answer.kind === "missing") {
          return inputRequired({
            inputRequests: { capital_question: sample("What is the capital of France?") },
          });
        }
        return { content: [text(JSON.stringify(answer))] };
      },
    },
    test_input_required_result_list_roots: {
      run({ mcpReq }) {
        const answer = inputResponse(mcpReq.inputResponses, "client_roots");
        if (answer.kind === "missing") {
          return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
        }
        return { content: [text(JSON.stringify(answer))] };
      },
    },
    test_input_required_result_request_state: stateful("confirm", "state-ok"),
    test_input_required_result_tampered_state: stateful("confirm", "The state is as it was given."),
    test_input_required_result_multiple_inputs: {
      async run({ mcpReq }) {
        const inputRequests = {
          user_name: ASK_NAME,
          greeting: sample("Generate a greeting"),
          client_roots: inputRequired.listRoots(),
        };
        const isMissing = (key: string) => inputResponse(mcpReq.inputResponses, key).kind === "missing";
        if (!Object.keys(inputRequests).some(isMissing)) return { content: [text("All of it is there.")] };
        return inputRequired({ inputRequests, requestState: await codec.mint({ round: 1 }) });
      },
    },
    test_input_required_result_multi_round: {
      async run({ mcpReq }) {
        const round = mcpReq.requestState<RoundState>()?.round ?? 0;
        const has = (key: string) => acceptedContent(mcpReq.inputResponses, key) !== undefined;
        if (round === 2 && has("step2")) return { content: [text("Both steps are done.")] };
        if (round === 1 && has("step1")) {
          const step2 = elicit("Step 2: What is your favorite color?", { color: { type: "string" } });
          return inputRequired({ inputRequests: { step2 }, requestState: await codec.mint({ round: 2 }) });
        }
        const step1 = elicit("Step 1: What is your name?", { name: { type: "string" } });
        return inputRequired({ inputRequests: { step1 }, requestState: await codec.mint({ round: 1 }) });
      },
    },
    test_input_required_result_capabilities: {
      run(context) {
        const { elicitation, sampling } = capabilitiesOf(context);
        return inputRequired({
          inputRequests: {
            ...(elicitation ? { user_name: ASK_NAME } : {}),
            ...(sampling ? { greeting: sample("Generate a greeting") } : {}),
          },
        });
      },
    },
  };
}
