import type { AdapterConfig } from "./config.ts";
import { sentenceOf } from "./failures.ts";
import { createSessionClient } from "./session-client.ts";
import { createToolHandlers, type ToolHandlers } from "./tool-handlers.ts";

/** The handlers of a process that serves one agent over stdio, and calls HIL over its network API. */
export function createStdioHandlers(
  config: AdapterConfig,
  { environment, now }: { environment: NodeJS.ProcessEnv; now: () => Date },
): ToolHandlers {
  return createToolHandlers({
    client: createSessionClient(config, environment),
    failed: (error) => sentenceOf(error, config.service.baseUrl),
    now,
  });
}
