import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { png, pngChunk } from "@hil/platform/pictures/testing/sample-pictures.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeServer, startFakeServer } from "./testing/fake-server.ts";
import { type Host, ROBOT_KEY, startHost, TOKEN } from "./testing/host.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };

let server: FakeServer;
let host: Host;

beforeEach(async () => {
  server = await startFakeServer();
  host = await startHost(`grpc://127.0.0.1:${server.port}`);
});
afterEach(async () => {
  await server.close(); // first, or a relay that has something to say waits for its acknowledgement
  await host[Symbol.asyncDispose]();
});

const attached = async (count = 1) => {
  await expect.poll(() => server.streams.filter(({ isOpen }) => isOpen).length, PATIENCE).toBe(1);
  await expect.poll(() => server.streams.length, PATIENCE).toBeGreaterThanOrEqual(count);
  await expect.poll(() => host.relay.state().attached, PATIENCE).toBe(true);
  return server.streams.at(-1)!;
};

const command = (text: string, commandId: string = randomUUID()) => ({
  commandId,
  channelId: "wecom-robot",
  chatId: "chat-1",
  chatType: ChatType.GROUP,
  message: { case: "markdown" as const, value: { text } },
});

const say = (text: string, msgid?: string) =>
  host.wecom.person.reply({ chatid: "chat-1", text, ...(msgid ? { msgid } : {}) });

const bodyOf = ({ body }: { body: Uint8Array }) => new TextDecoder().decode(body);

test("a relay says who it is, and what it runs", async () => {
  const { hello, token } = await attached();
  expect(token).toBe(TOKEN);
  expect(hello).toMatchObject({ protocolVersion: 1, channels: [{ channelId: "wecom-robot" }] });
});

test("a command becomes one message of the vendor, and its result names it", async () => {
  const stream = await attached();
  stream.send(command("**hello**", "c-1"));
  await expect.poll(() => server.results.length, PATIENCE).toBe(1);
  expect(server.results[0]).toMatchObject({ commandId: "c-1", outcome: Attempt_Outcome.DELIVERED });
  expect(host.wecom.messages).toMatchObject([{ chatId: "chat-1", text: "**hello**" }]);
  await expect.poll(() => server.acknowledged, PATIENCE).toBe(1n);
});

test("I9: a command that comes again is answered with what became of it, also after a restart, and is not sent again", async () => {
  (await attached()).send(command("once", "c-1"));
  await expect.poll(() => server.results.length, PATIENCE).toBe(1);
  server.streams[0]!.send(command("once", "c-1"));
  await expect.poll(() => server.results.length, PATIENCE).toBe(2);
  await host.relay.stop();
  await host.restart();
  (await attached(2)).send(command("once", "c-1"));
  await expect.poll(() => server.results.length, PATIENCE).toBe(3);
  expect(server.results.map(({ outcome }) => outcome)).toEqual(Array(3).fill(Attempt_Outcome.DELIVERED));
  expect(host.wecom.messages).toHaveLength(1);
});

test.each([
  ["45009", { kind: "errcode", errcode: 45009 }, Attempt_Outcome.RETRYABLE, false],
  ["93000", { kind: "errcode", errcode: 93000 }, Attempt_Outcome.REFUSED, true],
  ["a cut connection", { kind: "cut", shown: true }, Attempt_Outcome.UNKNOWN, false],
] as const)(
  "the vendor's %s comes back with what it means, and without the robot's key",
  async (_, fault, outcome, broken) => {
    const stream = await attached();
    host.wecom.decide(async () => fault);
    stream.send(command("hello"));
    await expect.poll(() => server.results.length, PATIENCE).toBe(1);
    expect(server.results[0]).toMatchObject({ outcome, broken });
    expect(server.results[0]!.retryAfter?.seconds).toBe(
      outcome === Attempt_Outcome.RETRYABLE ? 60n : undefined,
    );
    expect(server.results[0]!.reason).not.toBe("");
    expect(server.results[0]!.reason).not.toContain(ROBOT_KEY);
  },
);

test("a command of another channel, of an unknown kind of message or out of time sends nothing", async () => {
  const stream = await attached();
  stream.send({ ...command("x", "c-1"), channelId: "other" });
  stream.send({ ...command("x", "c-2"), message: { case: undefined } });
  stream.send({ ...command("x", "c-3"), expireTime: { seconds: 1n, nanos: 0 } });
  stream.send({ ...command("x", "c-4"), chatId: "@all" });
  await expect.poll(() => server.results.length, PATIENCE).toBe(4);
  const outcomes = Object.fromEntries(server.results.map(({ commandId, outcome }) => [commandId, outcome]));
  expect(outcomes).toEqual({
    "c-1": Attempt_Outcome.REFUSED,
    "c-2": Attempt_Outcome.REFUSED,
    "c-3": Attempt_Outcome.RETRYABLE,
    "c-4": Attempt_Outcome.REFUSED,
  });
  expect(host.wecom.calls).toHaveLength(0);
});

test("I9: what a vendor sends reaches the server, without the robot's key, and leaves the disk when the server has it", async () => {
  await attached();
  const { taken, body } = await host.wecom.person.send({
    msgid: "m-1",
    chatid: "chat-1",
    chattype: "group",
    msgtype: "text",
    text: { content: "yes" },
    webhook_url: `http://in.example/send?key=${ROBOT_KEY}`,
  });
  expect([taken, body]).toEqual([true, '{"errcode":0,"errmsg":"ok"}']);
  await expect.poll(() => server.inbounds.length, PATIENCE).toBe(1);
  expect(JSON.parse(bodyOf(server.inbounds[0]!))).toMatchObject({ msgid: "m-1", text: { content: "yes" } });
  expect(bodyOf(server.inbounds[0]!)).not.toContain(ROBOT_KEY);
  expect(server.inbounds[0]!.acknowledgeTime).toBeDefined();
  await expect.poll(async () => (await health(host.relay.callbackPort, "/readyz")).waiting, PATIENCE).toBe(0);
});

test("I9: what was not acknowledged comes again on the next stream, under its id, and after a restart too", async () => {
  await attached();
  server.acknowledges = false;
  for (const text of ["a", "b", "c"]) expect((await say(text)).taken).toBe(true);
  await expect.poll(() => server.inbounds.length, PATIENCE).toBe(3);
  server.streams[0]!.end(hilError(Code.Unavailable, ErrorReason.NOT_READY, "restarting"));
  await expect.poll(() => server.inbounds.length, PATIENCE).toBe(6);
  await host.relay.stop();
  server.acknowledges = true;
  await host.restart();
  await expect.poll(() => server.inbounds.length, PATIENCE).toBe(9);
  const ids = server.inbounds.map(({ inboundId }) => inboundId);
  expect(ids.slice(3, 6)).toEqual(ids.slice(0, 3));
  expect(ids.slice(6, 9)).toEqual(ids.slice(0, 3));
  await expect.poll(async () => (await health(host.relay.callbackPort, "/readyz")).waiting, PATIENCE).toBe(0);
});

test("F14: messages that come while there is no server are kept, and reach it in their order", async () => {
  await attached();
  const { port } = server;
  await server.close();
  await expect.poll(() => host.relay.state().attached, PATIENCE).toBe(false);
  expect(await health(host.relay.callbackPort, "/health")).toEqual({
    status: "healthy",
    ws_connected: false,
  });
  for (let number = 0; number < 100; number++) expect((await say(`${number}`)).taken).toBe(true);
  server = await startFakeServer({ port });
  await expect.poll(() => server.inbounds.length, PATIENCE).toBe(100);
  expect(server.inbounds.map(({ body }) => JSON.parse(new TextDecoder().decode(body)).text.content)).toEqual(
    Array.from({ length: 100 }, (_, number) => `@Robot ${number}`),
  );
  expect(await health(host.relay.callbackPort, "/health")).toEqual({ status: "healthy", ws_connected: true });
});

test("a result that the server did not get is said on the next stream, and the command that comes again is not run again", async () => {
  const stream = await attached();
  server.acknowledges = false;
  stream.send(command("once", "c-1"));
  await expect.poll(() => server.results.length, PATIENCE).toBe(1);
  stream.end(hilError(Code.Unavailable, ErrorReason.NOT_READY, "restarting"));
  server.acknowledges = true;
  (await attached(2)).send(command("once", "c-1"));
  // It is said as the stream begins, and once more where the command came after that.
  await expect.poll(() => server.results.length, PATIENCE).toBeGreaterThanOrEqual(2);
  await expect.poll(() => server.acknowledged, PATIENCE).toBe(1n);
  expect(new Set(server.results.map(({ outcome }) => outcome))).toEqual(new Set([Attempt_Outcome.DELIVERED]));
  expect(host.wecom.messages).toHaveLength(1);
});

test("C1: a command that ended otherwise is sent again when it comes again, whether its end was acknowledged or not", async () => {
  const stream = await attached();
  server.acknowledges = false;
  host.wecom.decide(async () => ({ kind: "errcode", errcode: -1 }));
  stream.send(command("again", "c-1"));
  await expect.poll(() => server.results.length, PATIENCE).toBe(1);
  host.wecom.decide(async () => undefined);
  stream.send(command("again", "c-1"));
  await expect.poll(() => server.results.length, PATIENCE).toBe(2);
  stream.send(command("again", "c-1"));
  await expect.poll(() => server.results.length, PATIENCE).toBe(3);
  expect(server.results.map(({ outcome }) => outcome)).toEqual([
    Attempt_Outcome.RETRYABLE,
    Attempt_Outcome.DELIVERED,
    Attempt_Outcome.DELIVERED,
  ]);
  expect(host.wecom.messages).toHaveLength(1);
});

test("I5: an end that the server did not get answers the repetition on the next stream; the one after it is sent again", async () => {
  const stream = await attached();
  server.acknowledges = false;
  host.wecom.decide(async () => ({ kind: "cut", shown: true }));
  stream.send(command("unknown", "c-1"));
  await expect.poll(() => server.results.length, PATIENCE).toBe(1);
  host.wecom.decide(async () => undefined);
  stream.end(hilError(Code.Unavailable, ErrorReason.NOT_READY, "restarting"));
  const next = await attached(2);
  await expect.poll(() => server.results.length, PATIENCE).toBe(2);
  next.send(command("unknown", "c-1"));
  await expect.poll(() => server.results.length, PATIENCE).toBe(3);
  expect(host.wecom.calls).toHaveLength(1);
  next.send(command("unknown", "c-1"));
  await expect.poll(() => server.results.length, PATIENCE).toBe(4);
  expect(server.results.map(({ outcome }) => outcome)).toEqual([
    ...Array(3).fill(Attempt_Outcome.UNKNOWN),
    Attempt_Outcome.DELIVERED,
  ]);
  expect(host.wecom.calls).toHaveLength(2);
});

test("a chat whose vendor does not answer keeps no other chat waiting", async () => {
  server.welcome = { window: 4 };
  const release = Promise.withResolvers<undefined>();
  const stream = await attached();
  host.wecom.decide(({ payload }) => (payload.chatId === "hung" ? release.promise : undefined));
  for (let number = 0; number < 8; number++) stream.send({ ...command(`${number}`), chatId: "hung" });
  stream.send(command("through", "c-1"));
  await expect.poll(() => server.results.map(({ commandId }) => commandId), PATIENCE).toEqual(["c-1"]);
  release.resolve(undefined);
});

test("a picture comes in parts, and is sent when it came whole", async () => {
  const stream = await attached();
  const image = png(2, 2, [pngChunk("tEXt", Buffer.concat([Buffer.from("a\0"), Buffer.alloc(39_000, "b")]))]);
  const part = (commandId: string, from: number, to: number) => ({
    kind: { case: "imagePart" as const, value: { commandId, data: image.subarray(from, to) } },
  });
  const picture = (commandId: string) => ({
    kind: {
      case: "send" as const,
      value: {
        ...command("", commandId),
        message: { case: "image" as const, value: { sizeBytes: image.length } },
      },
    },
  });
  stream.sendFrames(1n, [part("whole", 0, 16_384), part("torn", 0, 10), part("whole", 16_384, 40_000)]);
  stream.sendFrames(4n, [picture("whole"), picture("torn"), picture("none")]);
  await expect.poll(() => server.results.length, PATIENCE).toBe(3);
  const outcomes = Object.fromEntries(server.results.map(({ commandId, outcome }) => [commandId, outcome]));
  expect(outcomes).toEqual({
    whole: Attempt_Outcome.DELIVERED,
    torn: Attempt_Outcome.RETRYABLE,
    none: Attempt_Outcome.RETRYABLE,
  });
  expect(host.wecom.calls).toHaveLength(1);
});

test("I9: what came for a channel that the server refuses stays here, keeps no other waiting, and reaches it once it is let run", async () => {
  await attached();
  await host.relay.stop();
  const reason = "BOT_KEY is set";
  server.welcome = { refusedChannels: [{ channelId: "wecom-robot", reason }] };
  const file = join(host.folder, "relay.yaml");
  writeFileSync(file, "channels:\n  - id: robot-b\n    bot_key: key-of-b\n");
  await using other = await startHost(`grpc://127.0.0.1:${server.port}`, { HIL_RELAY_CONFIG: file });
  await expect.poll(() => other.relay.state().attached, PATIENCE).toBe(true);
  const { callbackUrl } = other.wecom;
  for (const [url, text] of [
    [callbackUrl, "kept"],
    [`${callbackUrl}/robot-b`, "through"],
  ] as const) {
    other.wecom.callbackUrl = url;
    expect((await other.wecom.person.reply({ chatid: "chat-1", text })).taken).toBe(true);
  }
  await expect.poll(() => server.inbounds.map(({ channelId }) => channelId), PATIENCE).toEqual(["robot-b"]);
  const readiness = () => health(other.relay.callbackPort, "/readyz");
  await expect.poll(async () => (await readiness()).waiting, PATIENCE).toBe(1);
  expect(await readiness()).toMatchObject({
    impaired: ["channels"],
    refused_channels: [{ channel_id: "wecom-robot", reason }],
  });
  server.welcome = {};
  server.streams.at(-1)!.end(hilError(Code.Unavailable, ErrorReason.NOT_READY, "the channels have changed"));
  await expect
    .poll(() => server.inbounds.map(({ channelId }) => channelId), PATIENCE)
    .toEqual(["robot-b", "wecom-robot"]);
  await expect.poll(async () => (await readiness()).waiting, PATIENCE).toBe(0);
  expect(await readiness()).toMatchObject({ impaired: [], refused_channels: [] });
});

test("F17: a stream of its own that reached the server late is no twin", async () => {
  const stream = await attached();
  const { instanceId } = stream.hello;
  stream.end(
    hilError(Code.Aborted, ErrorReason.RELAY_SUPERSEDED, "epoch 2 is newer", { instance_id: instanceId }),
  );
  expect((await attached(2)).hello.instanceId).toBe(instanceId);
});

test("no more is on the way than the window allows, and the server hears heartbeats as often as it asks for", async () => {
  server.welcome = { window: 4, heartbeatInterval: durationFromMs(300) };
  await attached();
  server.streams[0]!.end(hilError(Code.Unavailable, ErrorReason.NOT_READY, "restarting"));
  const stream = await attached(2);
  server.acknowledges = false;
  for (let number = 0; number < 10; number++) await say(`${number}`);
  await expect.poll(() => server.inbounds.length, PATIENCE).toBe(4);
  await expect.poll(() => stream.heartbeats, PATIENCE).toBeGreaterThan(2);
  expect(server.inbounds).toHaveLength(4);
  stream.acknowledge(3n);
  await expect.poll(() => server.inbounds.length, PATIENCE).toBe(7);
});

test("F15: a server that says nothing any more is left, and found again", async () => {
  (await attached()).goSilent();
  expect((await attached(2)).epoch).toBe(2);
});

test("a frame that comes twice counts once, and one that is missing ends the stream", async () => {
  const stream = await attached();
  const frame = (id: string) => ({ kind: { case: "send" as const, value: command(id, id) } });
  stream.sendFrames(1n, [frame("a"), frame("b")]);
  stream.sendFrames(2n, [frame("b"), frame("c")]);
  await expect.poll(() => server.results.length, PATIENCE).toBe(3);
  expect(host.wecom.messages.map(({ text }) => text)).toEqual(["a", "b", "c"]);
  stream.sendFrames(5n, [frame("e")]);
  await expect.poll(() => host.relay.state().reason, PATIENCE).toContain("frame 4 did not come");
});

test("what only later versions say is ignored, and a command of an unknown kind is acknowledged and refused", async () => {
  const stream = await attached();
  const field = (number: number, bytes: Uint8Array) =>
    new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
  const number = (no: number, value: number) =>
    new BinaryWriter().tag(no, WireType.Varint).uint32(value).finish();
  // AttachResponse { 99: "…" }, then AttachResponse { frames: { first_number: 1, frames: [{ 77: { 2: 5, 1: "later" } }] } }
  stream.sendBytes(field(99, new Uint8Array([1, 2, 3])));
  const commandOfLater = Buffer.concat([number(2, 5), field(1, new TextEncoder().encode("later"))]);
  const frames = Buffer.concat([number(1, 1), field(2, field(77, commandOfLater))]);
  stream.sendBytes(field(3, frames));
  await expect.poll(() => server.acknowledged, PATIENCE).toBe(1n);
  await expect.poll(() => server.results.length, PATIENCE).toBe(1);
  expect(server.results[0]).toMatchObject({ commandId: "later", outcome: Attempt_Outcome.REFUSED });
  expect(server.results[0]!.reason).toContain("upgrade");
  server.acknowledges = false;
  for (const first of [2, 3]) {
    stream.sendBytes(field(3, Buffer.concat([number(1, first), field(2, field(77, commandOfLater))])));
    await expect.poll(() => server.results.length, PATIENCE).toBe(first);
  }
  expect(server.streams).toHaveLength(1);
});

test("F17: a relay attaches with what its token file holds by then", async () => {
  const file = join(host.folder, "token");
  writeFileSync(file, "old-token\n");
  await using other = await startHost(`grpc://127.0.0.1:${server.port}`, {
    HIL_TOKEN: "",
    HIL_TOKEN_FILE: file,
  });
  await expect.poll(() => server.streams.map(({ token }) => token), PATIENCE).toContain("old-token");
  writeFileSync(file, "new-token\n");
  server.streams.find(({ token }) => token === "old-token")!.drain();
  await expect.poll(() => server.streams.map(({ token }) => token), PATIENCE).toContain("new-token");
  await expect.poll(() => other.relay.state().attached, PATIENCE).toBe(true);
});

test("a drain lets the command under way end, and leads to another stream at once", async () => {
  const stream = await attached();
  const release = Promise.withResolvers<undefined>();
  host.wecom.decide(() => release.promise);
  stream.send(command("slow", "c-1"));
  await expect.poll(() => host.wecom.calls.length, PATIENCE).toBe(1);
  stream.drain();
  release.resolve(undefined);
  await attached(2);
  expect(server.results).toMatchObject([{ commandId: "c-1", outcome: Attempt_Outcome.DELIVERED }]);
});

test("a relay that is told to stop lets its command end, and its result reaches the server", async () => {
  const stream = await attached();
  const release = Promise.withResolvers<undefined>();
  host.wecom.decide(() => release.promise);
  stream.send(command("slow", "c-1"));
  await expect.poll(() => host.wecom.calls.length, PATIENCE).toBe(1);
  const stopped = host.relay.stop();
  release.resolve(undefined);
  await stopped;
  expect(server.results).toMatchObject([{ commandId: "c-1", outcome: Attempt_Outcome.DELIVERED }]);
});

test.each([
  ["CREDENTIAL_INVALID", Code.Unauthenticated, ErrorReason.CREDENTIAL_INVALID, "refused"],
  ["ROLE_MISSING", Code.PermissionDenied, ErrorReason.ROLE_MISSING, "refused"],
  [
    "RELAY_VERSION_UNSUPPORTED",
    Code.FailedPrecondition,
    ErrorReason.RELAY_VERSION_UNSUPPORTED,
    "unsupported",
  ],
])("F17: a stream that ends with %s stops the relay, also in the middle", async (_, code, reason, kind) => {
  (await attached()).end(hilError(code, reason, "no"));
  expect(await host.relay.stopped).toMatchObject({ kind });
  expect(server.streams).toHaveLength(1);
});

test("F17: a relay that a twin put out says so and stays away", async () => {
  const stream = await attached();
  stream.end(hilError(Code.Aborted, ErrorReason.RELAY_SUPERSEDED, "epoch 2 is newer"));
  await expect
    .poll(() => host.relay.state().reason, PATIENCE)
    .toContain("another relay attached with the same credential");
  expect((await say("kept")).taken).toBe(true);
  expect(server.streams).toHaveLength(1);
});

async function health(port: number, path: string) {
  return (await (await fetch(`http://127.0.0.1:${port}${path}`)).json()) as Record<string, unknown>;
}
