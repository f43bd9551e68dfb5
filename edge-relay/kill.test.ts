// The relay's process dies at each place that the code names, and is started again on what it left.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { FAILPOINTS } from "@hil/platform/failpoints/failpoints.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeWecom, startFakeWecom } from "../testing/fake-wecom/fake-wecom.ts";
import { type ServerProcess, startProcess } from "../testing/processes/start-process.ts";
import { type FakeServer, startFakeServer } from "./testing/fake-server.ts";

const PATIENCE = { timeout: 30_000, interval: 20 };
const CALLBACK_KEY = "callback-secret";
const PLACES = [
  ...Object.keys(FAILPOINTS).filter((name) => name.startsWith("relay.")),
  "sqlite.before_commit",
  "sqlite.after_commit",
];

let folder: string;
let server: FakeServer;
let wecom: FakeWecom;
let relay: ServerProcess;
let said: string;

const start = async (extra: Record<string, string> = {}) => {
  relay = await startProcess(
    join(import.meta.dirname, "main.ts"),
    [],
    {
      HIL_URL: `grpc://127.0.0.1:${server.port}`,
      HIL_TOKEN: "token",
      HIL_DATA_DIR: join(folder, "data"),
      HIL_LOG_LEVEL: "error",
      BOT_KEY: "robot-key",
      WECOM_API_URL: wecom.url,
      CALLBACK_HOST: "127.0.0.1",
      CALLBACK_PORT: "0",
      CALLBACK_AUTH_VALUE: CALLBACK_KEY,
      ...extra,
    },
    {
      onErrorOutput: (text) => {
        said += text;
      },
    },
  );
  wecom.callbackUrl = `http://127.0.0.1:${relay.port}/callback`;
};

beforeEach(async () => {
  said = "";
  folder = mkdtempSync(join(tmpdir(), "hil-relay-kill-"));
  server = await startFakeServer();
  wecom = await startFakeWecom({
    key: "robot-key",
    perMinute: 0,
    callbackRetryMs: 300,
    callbackTimeoutMs: 2_000,
    callbackHeader: ["x-api-key", CALLBACK_KEY],
  });
});
afterEach(async () => {
  await relay.kill();
  await wecom.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What HIL does: it says a command again on each new stream, and after UNKNOWN, until it has ended for good. */
function commander() {
  const commands = new Map<string, number>();
  let epoch = 0;
  let read = 0;
  const look = setInterval(() => {
    const stream = server.streams.at(-1);
    const results = server.results.slice(read);
    read = server.results.length;
    const again = new Set<string>();
    for (const { commandId, outcome } of results) {
      if (outcome === Attempt_Outcome.DELIVERED || outcome === Attempt_Outcome.REFUSED)
        commands.delete(commandId);
      else again.add(commandId);
    }
    if (stream === undefined || !stream.isOpen) return;
    if (stream.epoch !== epoch) for (const id of commands.keys()) again.add(id);
    epoch = stream.epoch;
    for (const id of again) if (commands.has(id)) say(id);
  }, 20);
  const say = (commandId: string) => {
    commands.set(commandId, (commands.get(commandId) ?? 0) + 1);
    server.streams.at(-1)?.send({
      commandId,
      channelId: "wecom-robot",
      chatId: "chat-1",
      chatType: ChatType.GROUP,
      message: { case: "text", value: { text: commandId } },
    });
  };
  return { say, isDone: () => commands.size === 0, stop: () => clearInterval(look) };
}

test.each(PLACES)("F2, I9: a relay that dies at %s loses no message and no command", async (place) => {
  await start({ HIL_FAIL: `${place}:exit@3`, HIL_TESTING: "1" });
  await expect.poll(() => server.streams.length, PATIENCE).toBe(1);
  const { say, isDone, stop } = commander();
  try {
    const replies = Array.from({ length: 12 }, (_, number) => number);
    const acked: string[] = [];
    const speaking = (async () => {
      for (const number of replies) {
        say(`command ${number}`);
        const msgid = `m-${number}`;
        // A person who is told that it did not arrive writes again.
        while (!(await wecom.person.reply({ chatid: "chat-1", text: `${number}`, msgid })).taken);
        acked.push(msgid);
      }
    })();
    expect(await relay.ended).toBe("SIGKILL");
    expect(said).toContain(`failpoint ${place}: exit`);
    await start();
    await speaking;
    const received = () =>
      new Set(server.inbounds.map(({ body }) => String(JSON.parse(Buffer.from(body).toString()).msgid)));
    await expect.poll(() => acked.filter((id) => !received().has(id)), PATIENCE).toEqual([]);
    await expect.poll(isDone, PATIENCE).toBe(true);
    const shown = wecom.messages.map(({ text }) => text);
    expect(new Set(shown).size).toBe(12);
    // One kill leaves one send in doubt.
    expect(shown.length).toBeLessThanOrEqual(13);
    await expect
      .poll(async () => {
        const response = await fetch(`http://127.0.0.1:${relay.port}/readyz`);
        return ((await response.json()) as { waiting: number }).waiting;
      }, PATIENCE)
      .toBe(0);
  } finally {
    stop();
  }
});

test("R4: a command that a kill cut short is sent again when it is asked for again, and not before", async () => {
  await start();
  await expect.poll(() => server.streams.length, PATIENCE).toBe(1);
  const command = {
    commandId: "cut",
    channelId: "wecom-robot",
    chatId: "chat-1",
    chatType: ChatType.GROUP,
    message: { case: "text" as const, value: { text: "once or twice" } },
  };
  wecom.decide(() => new Promise(() => {}));
  server.streams[0]!.send(command);
  await expect.poll(() => wecom.calls.length, PATIENCE).toBe(1);
  await relay.kill();
  wecom.decide(() => undefined);
  await start();
  await expect.poll(() => server.streams.length, PATIENCE).toBe(2);
  expect(wecom.calls).toHaveLength(1);
  server.streams[1]!.send(command);
  await expect.poll(() => server.results.length, PATIENCE).toBe(1);
  expect(server.results[0]).toMatchObject({ outcome: Attempt_Outcome.DELIVERED });
  expect(wecom.calls).toHaveLength(2);
});
