import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

let echo: Server;
let proxy: TcpProxy;
const sockets: Socket[] = [];

beforeEach(async () => {
  echo = createServer((socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  proxy = await startTcpProxy({ port: (echo.address() as AddressInfo).port });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await proxy[Symbol.asyncDispose]();
  echo.close();
});

interface Caller {
  readonly socket: Socket;
  /** All that came back. */
  readonly received: () => string;
  /** The sizes in which it came. */
  readonly chunks: number[];
  readonly closed: Promise<string>;
  untilReceived(text: string): Promise<void>;
}

function call(): Caller {
  const socket = connect(proxy.port, "127.0.0.1");
  sockets.push(socket);
  let text = "";
  const chunks: number[] = [];
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    chunks.push(chunk.length);
  });
  const closed = new Promise<string>((resolve) => {
    let code = "";
    socket.on("error", (error: NodeJS.ErrnoException) => {
      code = error.code ?? "error";
    });
    socket.once("close", () => resolve(code));
  });
  return {
    socket,
    received: () => text,
    chunks,
    closed,
    async untilReceived(wanted) {
      await expect.poll(() => text.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(wanted.length);
      expect(text === wanted).toBe(true); // a difference would be megabytes of output
    },
  };
}

test("without a toxic all arrives, in order, and an end is an end", async () => {
  const { socket, untilReceived, closed } = call();
  const text = "0123456789".repeat(100_000);
  socket.end(text);
  await untilReceived(text);
  expect(await closed).toBe("");
  await expect.poll(() => proxy.connections).toBe(0);
});

test("latency delays both ways and keeps the order", async () => {
  proxy.poison({ kind: "latency", latencyMs: 100, jitterMs: 60 });
  const start = performance.now();
  const { socket, untilReceived } = call();
  for (const each of "abcdef") {
    socket.write(each);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await untilReceived("abcdef");
  expect(performance.now() - start).toBeGreaterThanOrEqual(2 * 40 - 1);
});

test("bandwidth bounds what goes through in a second", async () => {
  proxy.poison({ kind: "bandwidth", bytesPerSecond: 20_000 });
  const start = performance.now();
  const { socket, untilReceived } = call();
  const text = "x".repeat(10_000);
  socket.write(text);
  await untilReceived(text);
  expect(performance.now() - start).toBeGreaterThanOrEqual(450);
});

test("timeout holds everything back without a word, and healing lets it go", async () => {
  const { socket, received, untilReceived } = call();
  socket.write("before ");
  await untilReceived("before ");
  proxy.poison({ kind: "timeout" });
  socket.write("held");
  const newcomer = call();
  newcomer.socket.write("new");
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect([received(), newcomer.received(), socket.destroyed]).toEqual(["before ", "", false]);
  proxy.heal();
  await untilReceived("before held");
  await newcomer.untilReceived("new");
});

test("reset_peer resets what is connected and what connects, until it is healed", async () => {
  const early = call();
  early.socket.write("a");
  await early.untilReceived("a");
  proxy.poison({ kind: "reset_peer" });
  expect(await early.closed).toBe("ECONNRESET");
  expect(await call().closed).toBe("ECONNRESET");
  proxy.heal();
  const late = call();
  late.socket.write("b");
  await late.untilReceived("b");
});

test("slicer brings in pieces what was written at once", async () => {
  proxy.poison({ kind: "slicer", bytes: 10, delayMs: 5 });
  const { socket, chunks, untilReceived } = call();
  socket.write("y".repeat(50));
  await untilReceived("y".repeat(50));
  expect(chunks.length).toBeGreaterThan(1);
});

test("limit_data closes a connection in the middle of what it says", async () => {
  proxy.poison({ kind: "limit_data", bytes: 150 });
  const { socket, received, closed } = call();
  socket.write("z".repeat(100)); // 100 there, and 50 of them back
  await closed;
  expect(received()).toBe("z".repeat(50));
});

test("a connection to a far side that is gone is closed", async () => {
  echo.close();
  const { closed } = call();
  await closed;
  expect(proxy.connections).toBe(0);
});
