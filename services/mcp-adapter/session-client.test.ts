import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { readCommand } from "./config.ts";
import { createSessionClient } from "./session-client.ts";

test("A18: a proxy that refuses is named with what it said", async () => {
  const proxy = createServer().on("connect", (_request, socket) => {
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const { port } = proxy.address() as AddressInfo;
  try {
    const command = readCommand(["--service-url", "https://hil.invalid"], { HIL_API_KEY: "any" }, "");
    if (command.kind !== "serve") throw new Error(`not a command to serve: ${command.kind}`);
    const client = createSessionClient(command.config, { https_proxy: `http://127.0.0.1:${port}` });
    await expect(client.listSessions({})).rejects.toMatchObject({
      code: Code.Unavailable,
      rawMessage: expect.stringContaining("Proxy response (403)"),
    });
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});
