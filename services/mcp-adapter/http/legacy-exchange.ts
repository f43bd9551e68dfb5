import {
  type AuthInfo,
  type McpServerFactory,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";

/**
 * Answers one request of a client before 2026-07-28 by one message, as the SDK does in its JSON mode. The SDK's own way
 * makes two streams for each such request, which is much for a call that waits and has nothing to say meanwhile.
 */
export async function answerLegacy(
  createServer: McpServerFactory,
  request: Request,
  { authInfo, parsedBody }: { authInfo: AuthInfo; parsedBody: unknown },
): Promise<Response> {
  const server = await createServer({ era: "legacy", authInfo, requestInfo: request });
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
  await server.connect(transport);
  const { signal } = request;
  // The transport leaves a request that is given up without an answer.
  const gone = new Promise<Response>((resolve) => {
    const end = () => resolve(new Response(null, { status: 499 }));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
  try {
    return await Promise.race([transport.handleRequest(request, { authInfo, parsedBody }), gone]);
  } finally {
    await server.close();
  }
}
