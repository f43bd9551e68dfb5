// Records what this version's relay and delivery service say to each other:
//
//   node scripts/run.mjs testing/relay-streams/record.ts
//
// It writes recorded/VERSION.jsonl. Run it by hand, once for each release that changes what is said, and commit the file: it is
// kept for ever, for relays and servers of that version stay in use. It overwrites nothing. relay-streams.test.ts plays every
// recording to the relay and the server of today.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { startHost } from "../../edge-relay/testing/host.ts";
import { version } from "../../edge-relay/version.ts";
import { startDelivery } from "../../services/delivery/testing/start-delivery.ts";
import type { Fault } from "../fake-wecom/fake-wecom.ts";
import { askIn, FORM, noticeIn, outcomeIn, RELAY } from "./deployment.ts";
import { FOLDER, type RecordedEvent, until } from "./recording.ts";
import { startTap } from "./tap.ts";

const events: RecordedEvent[] = [];
const happens = <E extends RecordedEvent>(event: E): E => {
  events.push(event);
  return event;
};

const bench = await startDelivery(FORM);
const tap = await startTap(bench.relayPort, happens);
const host = await startHost(`grpc://127.0.0.1:${tap.port}`, { HIL_TOKEN: bench.access.relayKey(RELAY) });
const faults: Fault[] = [];
host.wecom.decide(() => faults.shift());

let count = 0;
const quiet = () => until(() => tap.isQuiet, tap.words);
const attached = async (epoch: number) => {
  await until(() => tap.streams === epoch, tap.words);
  await quiet();
};
const vendorDoes = (...given: Fault[]) => {
  for (const fault of given) faults.push(happens({ event: "vendor", fault }).fault);
};
const ask = async (pictureBytes: readonly number[] = []) => {
  count += 1;
  const id = `0199f0a0-0000-7000-8000-${String(count).padStart(12, "0")}`;
  await askIn(bench, happens({ event: "ask", sessionId: id, chatId: `chat-${count % 2}`, pictureBytes }));
  return `${id}/1`;
};
const ends = async (deliveryId: string, ...outcomes: Attempt_Outcome[]) => {
  let last: Attempt_Outcome[] = [];
  await until(
    async () => {
      const { delivery } = await bench.delivery.getDelivery({ deliveryId });
      last = delivery!.attempts.map(({ outcome }) => outcome);
      return last.join() === outcomes.join();
    },
    () => `${deliveryId} ends with ${outcomes} and not with ${last}; ${tap.words()}`,
  );
};
const write = async (text: string) => {
  count += 1;
  const event = happens({ event: "write", msgid: `m-${count}`, chatId: "chat-1", text });
  const { taken } = await host.wecom.person.reply({ ...event, chatid: event.chatId });
  if (!taken) throw new Error("the relay did not take what a person wrote");
};
const { DELIVERED, REFUSED, RETRYABLE, UNKNOWN } = Attempt_Outcome;

// Every kind of message, every outcome, and what people write.
await attached(1);
await ends(await ask([120, 16_000]), DELIVERED);
await quiet();
await noticeIn(bench, happens({ event: "notice", noticeId: "notice/1", chatId: "chat-1" }));
await ends("notice/1", DELIVERED);
await quiet();
vendorDoes({ kind: "cut", shown: true });
await ends(await ask(), UNKNOWN, DELIVERED);
await quiet();
vendorDoes({ kind: "errcode", errcode: -1 });
await ends(await ask(), RETRYABLE, DELIVERED);
await quiet();
vendorDoes({ kind: "errcode", errcode: 93008 });
await ends(await ask(), REFUSED);
await quiet();
for (const text of ["yes", "不同意，先回滚"]) await write(text);
await until(() => bench.callbacks.taken.length === 2, tap.words);
await quiet();
const beats = tap.heartbeats();
await until(
  () => tap.heartbeats().relay > beats.relay && tap.heartbeats().server > beats.server,
  () => "both say that they are there",
);
happens({ event: "drain" });
await bench.delivery.drainRelay({ relayName: RELAY, reason: "the server is replaced" });

// A result and a message whose acknowledgements are lost with the stream.
await attached(2);
tap.hold("server", "frames");
const unheard = await ask();
await ends(unheard, DELIVERED);
await write("and again");
await until(() => bench.callbacks.taken.length === 3, tap.words);
tap.cut();

// A command whose result is lost with the stream, and is found on the relay's disk.
await attached(3);
await until(() => bench.callbacks.repeated === 1, tap.words);
await quiet();
tap.hold("relay");
const calls = host.wecom.calls.length;
const interrupted = await ask();
await until(() => host.wecom.calls.length > calls, tap.words);
happens({ event: "called", times: host.wecom.calls.length });
happens({ event: "stop" });
const stopped = host.relay.stop();
tap.cut();
await stopped;
happens({ event: "start" });
await host.restart();
await attached(4);
await ends(interrupted, UNKNOWN, DELIVERED);
await quiet();

// A robot that is refused, and one that is to wait; then the relay ends.
vendorDoes({ kind: "errcode", errcode: 93000 });
await ends(await ask(), REFUSED);
await quiet();
vendorDoes({ kind: "errcode", errcode: 45009 });
await ends(await ask(), RETRYABLE);
await quiet();
happens({ event: "stop" });
await host.relay.stop();

happens({
  event: "outcome",
  ...(await outcomeIn(bench, events)),
  shown: host.wecom.messages.map(({ chatId, msgtype }) => [chatId, msgtype] as const),
});
await host[Symbol.asyncDispose]();
tap.close();
await bench.close();
const file = join(FOLDER, `${version()}.jsonl`);
writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(""), { flag: "wx" });
console.log(`${events.length} events are in ${file}`);
