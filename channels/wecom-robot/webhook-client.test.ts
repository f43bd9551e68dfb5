import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { startFakeWecom } from "@hil/testing/fake-wecom/fake-wecom.ts";
import { expect, test } from "vitest";
import { createWebhookClient } from "./webhook-client.ts";

const now = () => new Date();
const forever = new AbortController().signal;
const text = (content: string) => JSON.stringify({ chatid: "wr", msgtype: "text", text: { content } });

test("two identical bodies are never under way at the same time", async () => {
  const gate = Promise.withResolvers<undefined>();
  await using wecom = await startFakeWecom({ key: "k", decide: () => gate.promise });
  const client = createWebhookClient({ apiUrl: wecom.url, botKey: "k", proxy: undefined }, { now });
  const same = [client.post(text("a"), forever), client.post(text("a"), forever)];
  const other = client.post(text("b"), forever);
  gate.resolve(undefined);
  expect(await Promise.all([...same, other])).toEqual(Array(3).fill({ kind: "delivered" }));
  expect(wecom.identicalAtOnce).toBe(0);
  await client.close();
});

test("a send that is cut off is unknown; one that never began is not", async () => {
  await using wecom = await startFakeWecom({ key: "k", decide: () => ({ kind: "hang" }) });
  const client = createWebhookClient({ apiUrl: wecom.url, botKey: "k", proxy: undefined }, { now });
  const cut = new AbortController();
  const sending = client.post(text("a"), cut.signal);
  while (wecom.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  cut.abort();
  expect((await sending).kind).toBe("unknown");
  expect((await client.post(text("b"), cut.signal)).kind).toBe("retryable");
  expect(wecom.calls).toHaveLength(1);
  await client.close();
});

test("a redirect is not followed, because it would carry the key elsewhere", async () => {
  await using elsewhere = await startFakeWecom({ key: "k" });
  const headers = { location: `${elsewhere.url}/cgi-bin/webhook/send?key=k` };
  await using wecom = await startFakeWecom({
    key: "k",
    decide: () => ({ kind: "http", status: 307, headers }),
  });
  const client = createWebhookClient({ apiUrl: wecom.url, botKey: "k", proxy: undefined }, { now });
  expect(await client.post(text("a"), forever)).toMatchObject({ kind: "refused" });
  expect(elsewhere.calls).toEqual([]);
  await client.close();
});

test("a vendor that cannot be reached has surely not shown the message", async () => {
  const wecom = await startFakeWecom({ key: "k" });
  await wecom.close();
  const client = createWebhookClient({ apiUrl: wecom.url, botKey: "k", proxy: undefined }, { now });
  expect(await client.post(text("a"), forever)).toMatchObject({ kind: "retryable" });
  await client.close();
});

/** An HTTP proxy that forwards what comes for "vendor.test" to `port` and refuses tunnels. */
async function startProxy(port: number) {
  const asked: string[] = [];
  const server = createServer((incoming, answer) => {
    const { host, pathname, search } = new URL(incoming.url ?? "");
    asked.push(host);
    const onward = request(
      { port, path: pathname + search, method: "POST", headers: incoming.headers },
      (from) => {
        answer.writeHead(from.statusCode ?? 502, from.headers);
        from.pipe(answer);
      },
    );
    incoming.pipe(onward);
  });
  server.on("connect", (incoming, socket) => {
    asked.push(incoming.url ?? "");
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    asked,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

test("A18: messages go through the HTTP proxy, and past it where no_proxy says so", async () => {
  await using wecom = await startFakeWecom({ key: "robot-key" });
  const proxy = await startProxy(wecom.port);
  const post = async (apiUrl: string, noProxy: string) => {
    const client = createWebhookClient(
      { apiUrl, botKey: "robot-key", proxy: { url: proxy.url, noProxy } },
      { now },
    );
    const outcome = await client.post(text("a"), forever);
    await client.close();
    return outcome;
  };
  expect(await post("http://vendor.test", "")).toEqual({ kind: "delivered" });
  expect(await post(wecom.url, "other,127.0.0.1")).toEqual({ kind: "delivered" });
  expect(proxy.asked).toEqual(["vendor.test"]);
  expect(await post("https://vendor.test", "")).toMatchObject({
    kind: "retryable",
    reason: expect.stringContaining("proxy"),
  });
  expect(proxy.asked).toEqual(["vendor.test", "vendor.test:443"]);
  proxy.close();
});
