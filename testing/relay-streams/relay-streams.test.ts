// Version skew: what relays and servers of released versions said to each other is played to those of today, byte for byte;
// and as a later version of v1 would say it.

import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import { AttachRequestSchema } from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { describe, expect, test } from "vitest";
import { laterCommandOf } from "./later.ts";
import { playRelay } from "./play-relay.ts";
import { playServer } from "./play-server.ts";
import {
  type Frame,
  framesOf,
  type Outcome,
  type RecordedEvent,
  readRecording,
  recordedSaid,
  recordings,
  type Side,
} from "./recording.ts";

/** What each stream of a recording carries from a side. */
function recordedFrames(events: readonly RecordedEvent[], from: Side): Frame[][] {
  const streams: Frame[][] = [];
  for (const event of events) {
    if (event.event === "open") streams.push([]);
    if (event.event === "message" && event.from === from) {
      streams.at(-1)!.push(...framesOf(recordedSaid(event)));
    }
  }
  return streams;
}

/** Which streams of a recording were lost, each with what was said last and is not in the recording. */
function lostStreams(events: readonly RecordedEvent[]): Set<number> {
  const lost = new Set<number>();
  let index = -1;
  for (const { event } of events) {
    if (event === "open") index += 1;
    if (event === "cut") lost.add(index);
  }
  return lost;
}

function outcomeOf(events: readonly RecordedEvent[]): Outcome {
  const last = events.at(-1)!;
  if (last.event !== "outcome") throw new Error("a recording ends with its outcome");
  const { event: _, ...outcome } = last;
  return outcome;
}

/** What a frame means, without times, words and ids that are made up anew. */
function meaningOf({ kind }: Frame): unknown {
  switch (kind.case) {
    case "send": {
      const { commandId, channelId, chatId, chatType, message } = kind.value;
      return { commandId, channelId, chatId, chatType, message: message.case };
    }
    case "imagePart":
      return undefined; // a part may be of any size: picturesOf puts them together
    case "result": {
      const { commandId, outcome, reason, retryAfter, broken } = kind.value;
      return { commandId, outcome, hasReason: reason !== "", retryAfter: retryAfter?.seconds, broken };
    }
    case "inbound": {
      const { channelId, body, acknowledgeTime } = kind.value;
      return { channelId, body: JSON.parse(Buffer.from(body).toString()), isAnswered: !!acknowledgeTime };
    }
    case undefined:
      return {};
  }
}

const outcomeIn = ({ kind }: Frame) => (kind.case === "result" ? kind.value.outcome : undefined);
const meaningsOf = (streams: readonly (readonly Frame[])[]) =>
  streams.map((each) => each.map(meaningOf).filter((meaning) => meaning !== undefined));
const inboundIdsOf = (streams: readonly (readonly Frame[])[]) =>
  streams.flat().flatMap(({ kind }) => (kind.case === "inbound" ? [kind.value.inboundId] : []));
/** By command. */
function picturesOf(streams: readonly (readonly Frame[])[]): Record<string, string> {
  const pictures: Record<string, string> = {};
  for (const { kind } of streams.flat()) {
    if (kind.case !== "imagePart") continue;
    const { commandId, data } = kind.value;
    pictures[commandId] = (pictures[commandId] ?? "") + Buffer.from(data).toString("hex");
  }
  return pictures;
}

/** Which of them are the same. */
const patternOf = (ids: readonly string[]) => ids.map((id) => ids.indexOf(id));

describe.each(recordings())("what was recorded as %s", (name) => {
  const events = readRecording(name);
  const { shown, ...outcome } = outcomeOf(events);
  const commands = recordedFrames(events, "server");
  const answers = recordedFrames(events, "relay");
  const lost = lostStreams(events);
  /** What was played, as far as the recording goes. */
  const asFarAs = (recorded: readonly Frame[][], played: readonly (readonly Frame[])[]) =>
    played.map((frames, index) => {
      const ofThen = frames.filter((frame) => laterCommandOf(frame) === undefined);
      return lost.has(index) ? ofThen.slice(0, recorded[index]!.length) : ofThen;
    });

  describe.each([
    ["as it was", false],
    ["as a later version says it", true],
  ])("%s", (_, isLater) => {
    test("its relay works with the server of today", async () => {
      const played = await playRelay(events, { isLater });
      expect(played.greetings).toMatchObject(
        commands.map((_, index) => ({
          message: {
            case: "welcome",
            value: {
              protocolVersion: 1,
              epoch: BigInt(index + 1),
              relayName: "plant-1",
              refusedChannels: isLater ? [{ channelId: "later" }] : [],
            },
          },
        })),
      );
      expect(meaningsOf(asFarAs(commands, played.frames))).toEqual(meaningsOf(commands));
      expect(picturesOf(played.frames)).toEqual(picturesOf(commands));
      expect(played.outcome).toEqual(outcome);
    });

    test("its server works with the relay of today", async () => {
      const played = await playServer(events, { isLater });
      expect(played.greetings).toMatchObject(
        answers.map(() => ({
          $typeName: AttachRequestSchema.typeName,
          message: { value: { protocolVersion: 1, channels: [{ channelId: "wecom-robot" }] } },
        })),
      );
      const said = asFarAs(answers, played.frames);
      expect(meaningsOf(said)).toEqual(meaningsOf(answers));
      expect(patternOf(inboundIdsOf(said))).toEqual(patternOf(inboundIdsOf(answers)));
      expect(played.shown).toEqual(shown);
      const ofLater = played.frames.flat().filter((frame) => laterCommandOf(frame) !== undefined);
      expect(new Set(ofLater.map(outcomeIn))).toEqual(new Set(isLater ? [Attempt_Outcome.REFUSED] : []));
    });
  });
});
