/** What every result of a tool tells first. */
export interface StatusResult {
  readonly status: string;
}

/** A result as MCP carries it: as data, and as the same JSON in text for clients that read only that. */
export function toolResult(result: StatusResult) {
  return {
    content: [{ type: "text" as const, text: JSON.stringify(result) }],
    structuredContent: result as unknown as Record<string, unknown>,
    isError: result.status === "error",
  };
}
