// One trial: a relay works, its line to the server goes bad in one way and good again, and everything is counted.

import { setTimeout as pause } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { type FakeServer, startFakeServer } from "../../edge-relay/testing/fake-server.ts";
import { createNamespace, type LineTrouble, type Namespace } from "./namespace.ts";
import { type RelayHost, startRelayHost } from "./relay-host.ts";

const HEARTBEAT_MS = 3_000;
const MESSAGE_EVERY_MS = 100;
const LOOK_MS = 20;
/** How long all may take to be there once nothing is wrong any more. */
const CALM_PATIENCE_MS = 60_000;
const FLAP_MS = 2_000;
const LONG_CHARS = 2_000;

/** What happens to the line. */
export type Trial =
  | { readonly name: string; readonly kind: "trouble"; readonly trouble: LineTrouble; readonly forMs: number }
  /** The server is another process when the line comes back: its connections are open at one end only. */
  | { readonly name: string; readonly kind: "half-open"; readonly forMs: number }
  /** Connections are reset for 2 s, then let be for 2 s, and so on. */
  | { readonly name: string; readonly kind: "flapping"; readonly forMs: number }
  /** Long messages wait for a line that comes back with so many bits a second, and stays so until they are through. */
  | {
      readonly name: string;
      readonly kind: "backlog";
      readonly bitsPerSecond: number;
      readonly forMs: number;
    };

export interface TrialReport {
  readonly name: string;
  /** Messages of people that the vendor got a 200 for, and how many of them the server never had. */
  readonly acked: number;
  readonly lost: number;
  /** Commands of the server, how many were never shown, and how many copies were. */
  readonly commands: number;
  readonly unshown: number;
  readonly copies: number;
  /** From the line going bad to the relay knowing. Undefined: it never had to. */
  readonly detectedMs: number | undefined;
  /** From the line being good again to the server having a message of a person. */
  readonly firstMs: number;
  /** Of one processor, while the line was bad. */
  readonly cpuPercent: number;
  readonly streams: number;
}

/** Runs a trial on a host of its own. */
export async function runTrial(trial: Trial, { program }: { program?: string } = {}): Promise<TrialReport> {
  await using namespace = await createNamespace();
  const options = { host: namespace.outside, beatMs: HEARTBEAT_MS / 2, mostSilentMs: 3 * HEARTBEAT_MS };
  let server = await startFakeServer(options);
  server.welcome = { heartbeatInterval: durationFromMs(HEARTBEAT_MS) };
  const { port } = server;
  const servers = [server];
  await using host = await startRelayHost({
    namespace,
    url: `grpc://${namespace.outside}:${port}`,
    token: "token",
    ...(program === undefined ? {} : { program }),
  });
  await until(() => server.streams.length > 0, "the relay attaches");
  let over = false;
  const acked: string[] = [];
  const commands: string[] = [];
  const received = () => servers.flatMap(({ inbounds }) => inbounds);
  const padding = trial.kind === "backlog" ? "x".repeat(LONG_CHARS) : "";
  const writing = write(host, () => over, acked, padding);
  const commanding = command(
    () => servers.at(-1)!,
    () => over,
    commands,
  );
  await until(() => received().length > 3 && host.wecom.messages.length > 3, "messages go both ways");

  const cpuBefore = host.cpuMs();
  const beganMs = performance.now();
  let detectedMs: number | undefined;
  let isBad = true;
  const watching = (async () => {
    while (isBad && detectedMs === undefined) {
      if (!(await host.isAttached())) detectedMs = performance.now() - beganMs;
      await pause(LOOK_MS);
    }
  })();
  await makeBad(trial, namespace, async () => {
    await server.close();
    server = await startFakeServer({ ...options, port });
    server.welcome = { heartbeatInterval: durationFromMs(HEARTBEAT_MS) };
    servers.push(server);
  });
  const badMs = performance.now() - beganMs;
  const cpuPercent = Math.round(((host.cpuMs() - cpuBefore) / badMs) * 100);
  isBad = false;
  const healedMs = performance.now();
  const before = received().length;
  await until(() => received().length > before, "a message arrives after the line is good again");
  const firstMs = performance.now() - healedMs;
  await watching;
  over = true;
  await Promise.all([writing, commanding]);
  const has = () =>
    new Set(received().map(({ body }) => String(JSON.parse(Buffer.from(body).toString()).msgid)));
  const shown = () => host.wecom.messages.map(({ text }) => text);
  await until(() => {
    const there = has();
    return acked.every((id) => there.has(id));
  }, "every message is there").catch(() => {}); // what is lost is counted
  await until(() => new Set(shown()).size >= commands.length, "every command is shown").catch(() => {});
  const there = has();
  const seen = shown();
  for (const each of servers) await each.close();
  return {
    name: trial.name,
    acked: acked.length,
    lost: acked.filter((id) => !there.has(id)).length,
    commands: commands.length,
    unshown: commands.filter((id) => !seen.includes(id)).length,
    copies: seen.length - new Set(seen).size,
    detectedMs: detectedMs === undefined ? undefined : Math.round(detectedMs),
    firstMs: Math.round(firstMs),
    cpuPercent,
    streams: servers.reduce((sum, { streams }) => sum + streams.length, 0),
  };
}

async function makeBad(
  trial: Trial,
  namespace: Namespace,
  replaceServer: () => Promise<void>,
): Promise<void> {
  switch (trial.kind) {
    case "trouble":
      await namespace.trouble(trial.trouble);
      await pause(trial.forMs);
      await namespace.heal();
      return;
    case "half-open":
      await namespace.trouble({ kind: "cut" });
      await replaceServer();
      await pause(trial.forMs);
      await namespace.heal();
      return;
    case "backlog":
      await namespace.trouble({ kind: "cut" });
      await pause(trial.forMs);
      await namespace.heal();
      await namespace.trouble({ kind: "slow", bitsPerSecond: trial.bitsPerSecond });
      return;
    case "flapping":
      for (const endMs = performance.now() + trial.forMs; performance.now() < endMs; ) {
        await namespace.trouble({ kind: "reset" });
        await pause(FLAP_MS);
        await namespace.heal();
        await pause(FLAP_MS);
      }
      return;
  }
}

/** People write, until it is over. */
async function write(
  host: RelayHost,
  isOver: () => boolean,
  acked: string[],
  padding: string,
): Promise<void> {
  const under = new Set<Promise<void>>();
  for (let number = 0; !isOver(); number++) {
    const msgid = `m-${number}`;
    const one = host.wecom.person
      .reply({ chatid: `chat-${number % 7}`, text: `reply ${number}${padding}`, msgid })
      .then((result) => {
        if (result.taken) acked.push(msgid);
      });
    under.add(one);
    void one.finally(() => under.delete(one));
    await pause(MESSAGE_EVERY_MS);
  }
  await Promise.all(under);
}

/**
 * The server sends, and says again on each new stream what it knows no end of, as HIL does. Goes on until all have ended.
 */
async function command(server: () => FakeServer, isOver: () => boolean, sent: string[]): Promise<void> {
  let stream = server().streams.at(-1);
  const done = () => new Set(server().results.map(({ commandId }) => commandId));
  const finished = new Set<string>();
  const giveUpMs = () => performance.now() + CALM_PATIENCE_MS;
  let endMs: number | undefined;
  for (let number = 0; ; number++) {
    for (const id of done()) finished.add(id);
    if (isOver()) {
      endMs ??= giveUpMs();
      if (sent.every((id) => finished.has(id)) || performance.now() > endMs) return;
    }
    const newest = server().streams.at(-1);
    const commands = newest === stream ? [] : sent.filter((id) => !finished.has(id));
    stream = newest;
    if (!isOver() && stream?.isOpen) {
      const id = `command ${number}`;
      sent.push(id);
      commands.push(id);
    }
    if (stream?.isOpen && commands.length > 0) {
      stream.send(
        ...commands.map((commandId) => ({
          commandId,
          channelId: "wecom-robot",
          chatId: `chat-${Number(commandId.split(" ")[1]) % 7}`, // within what the robot may send to one
          chatType: ChatType.GROUP,
          message: { case: "text" as const, value: { text: commandId } },
        })),
      );
    }
    await pause(MESSAGE_EVERY_MS);
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (const endMs = performance.now() + CALM_PATIENCE_MS; !holds(); await pause(5)) {
    if (performance.now() > endMs) throw new Error(`it did not come to pass in time that ${what}`);
  }
}
