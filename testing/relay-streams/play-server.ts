// Plays the server of a recording to the relay of today.

import { startHost } from "../../edge-relay/testing/host.ts";
import type { Fault } from "../fake-wecom/fake-wecom.ts";
import { lost, type ServedStream, serveBytes } from "./byte-streams.ts";
import { endOfLater, Later } from "./later.ts";
import { Player } from "./player.ts";
import { Progress } from "./progress.ts";
import { type Frame, type Outcome, type RecordedEvent, type Said, saidBy, until } from "./recording.ts";

export interface PlayedToRelay {
  readonly greetings: readonly Said[];
  /** The frames of each stream. */
  readonly frames: readonly (readonly Frame[])[];
  readonly shown: Outcome["shown"];
}

/** Plays it. Rejects where the relay says less than it said, or ends a stream. */
export async function playServer(
  events: readonly RecordedEvent[],
  { isLater }: { isLater: boolean },
): Promise<PlayedToRelay> {
  const later = isLater ? new Later("server") : undefined;
  const greetings: Said[] = [];
  const streams: Progress[] = [];
  const calls: ServedStream[] = [];
  const attach = (call: ServedStream) => {
    const heard = new Progress();
    streams.push(heard);
    calls.push(call);
    call.on("error", () => {});
    call.on("data", (bytes: Buffer) => {
      const said = saidBy("relay", bytes);
      if (said.message.case === "hello") greetings.push(said);
      heard.note(said);
    });
    call.on("end", () => {
      heard.hasEnded = true;
    });
    call.on("cancelled", () => {
      heard.trouble = "the relay went away";
    });
  };
  const server = await serveBytes(attach);
  try {
    await using host = await startHost(`grpc://127.0.0.1:${server.port}`);
    const faults: Fault[] = [];
    host.wecom.decide(() => faults.shift());
    let opened = 0;
    let call: ServedStream | undefined;
    let player: Player | undefined;
    let stopped: Promise<void> | undefined;
    for (const event of events) {
      switch (event.event) {
        case "open": {
          opened += 1;
          await until(
            () => calls.length === opened,
            () => `the relay opens stream ${opened}`,
          );
          const taken = calls.at(-1)!;
          call = taken;
          player = new Player({
            later,
            heard: streams.at(-1)!,
            write: (bytes) => taken.write(bytes),
          });
          break;
        }
        case "message":
          if (event.from === "relay") player!.expect(event);
          else await player!.say(event);
          break;
        case "end":
          if (event.from === "relay") player!.expectEnd();
          await player!.caughtUp();
          if (event.from === "server") call!.end();
          break;
        case "cut":
          await player!.caughtUp();
          call!.emit("error", isLater ? endOfLater() : lost());
          break;
        case "vendor":
          faults.push(event.fault);
          break;
        case "called":
          await until(
            () => host.wecom.calls.length === event.times,
            () => `the vendor is called ${event.times} times, and was ${host.wecom.calls.length} times`,
          );
          break;
        case "write": {
          await player!.caughtUp();
          const { taken } = await host.wecom.person.reply({ ...event, chatid: event.chatId });
          if (!taken) throw new Error("the relay did not take what a person wrote");
          break;
        }
        case "stop":
          await player!.caughtUp();
          stopped = host.relay.stop();
          break;
        case "start":
          await stopped;
          await host.restart();
          break;
        case "ask": // of the server's side
        case "notice":
        case "drain":
        case "outcome":
          break;
      }
    }
    await stopped;
    return {
      greetings,
      frames: streams.map(({ frames }) => frames),
      shown: host.wecom.messages.map(({ chatId, msgtype }) => [chatId, msgtype] as const),
    };
  } finally {
    server.close();
  }
}
