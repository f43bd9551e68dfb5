// The prompts that the conformance suite gets.

import {
  acceptedContent,
  type GetPromptResult,
  type InputRequiredResult,
  inputRequired,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { picture, text } from "./fixture-content.ts";

type Get = (input: Record<string, string>, context: ServerContext) => GetPromptResult | InputRequiredResult;

const user = (...contents: GetPromptResult["messages"][number]["content"][]): GetPromptResult => ({
  messages: contents.map((content) => ({ role: "user" as const, content })),
});

const PROMPTS: Record<string, { readonly needs: readonly string[]; readonly get: Get }> = {
  test_simple_prompt: { needs: [], get: () => user(text("This is a simple prompt for testing.")) },
  test_prompt_with_arguments: {
    needs: ["arg1", "arg2"],
    get: ({ arg1, arg2 }) => user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  },
  test_prompt_with_embedded_resource: {
    needs: ["resourceUri"],
    get: ({ resourceUri }) =>
      user(
        {
          type: "resource",
          resource: {
            uri: resourceUri!,
            mimeType: "text/plain",
            text: "Embedded resource content for testing.",
          },
        },
        text("Please process the embedded resource above."),
      ),
  },
  test_prompt_with_image: { needs: [], get: () => user(picture, text("Please analyze the image above.")) },
  test_input_required_result_prompt: {
    needs: [],
    get(_input, { mcpReq }) {
      const answer = acceptedContent<{ context?: string }>(mcpReq.inputResponses, "user_context");
      if (answer) return user(text(`With the context: ${answer.context}`));
      const requestedSchema = {
        type: "object" as const,
        properties: { context: { type: "string" as const } },
        required: ["context"],
      };
      const message = "What context should the prompt use?";
      return inputRequired({
        inputRequests: { user_context: inputRequired.elicit({ message, requestedSchema }) },
      });
    },
  },
};

export function listPrompts() {
  return Object.entries(PROMPTS).map(([name, { needs }]) => ({
    name,
    description: `The suite's ${name}`,
    arguments: needs.map((each) => ({ name: each, required: true })),
  }));
}

export function findPrompt(name: string): Get | undefined {
  return PROMPTS[name]?.get;
}
