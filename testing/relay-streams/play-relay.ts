// Plays the relay of a recording to the delivery service of today.

import type { StatusObject } from "@grpc/grpc-js";
import { startDelivery } from "../../services/delivery/testing/start-delivery.ts";
import { callBytes } from "./byte-streams.ts";
import { askIn, FORM, noticeIn, outcomeIn, RELAY } from "./deployment.ts";
import { Later } from "./later.ts";
import { Player } from "./player.ts";
import { Progress } from "./progress.ts";
import { type Frame, type Outcome, type RecordedEvent, type Said, saidBy, until } from "./recording.ts";

export interface PlayedToServer {
  /** What each stream heard first. */
  readonly greetings: readonly Said[];
  /** The frames of each stream. */
  readonly frames: readonly (readonly Frame[])[];
  readonly outcome: Omit<Outcome, "shown">;
}

/** Plays it. Rejects where the server says less than it said, or ends a stream. */
export async function playRelay(
  events: readonly RecordedEvent[],
  { isLater }: { isLater: boolean },
): Promise<PlayedToServer> {
  await using bench = await startDelivery(FORM);
  const later = isLater ? new Later("relay") : undefined;
  const greetings: Said[] = [];
  const streams: Progress[] = [];
  let call: ReturnType<typeof callBytes> | undefined;
  let player: Player | undefined;

  const open = () => {
    const opened = callBytes(bench.relayPort, bench.access.relayKey(RELAY));
    const heard = new Progress();
    streams.push(heard);
    opened.on("data", (bytes: Buffer) => {
      const said = saidBy("server", bytes);
      if (greetings.length < streams.length) greetings.push(said);
      heard.note(said);
    });
    opened.on("status", ({ code, details }: StatusObject) => {
      if (code === 0) heard.hasEnded = true;
      else heard.trouble = details;
    });
    call = opened;
    player = new Player({ later, heard, write: (bytes) => opened.write(bytes) });
  };

  for (const event of events) {
    switch (event.event) {
      case "open":
        open();
        break;
      case "message":
        if (event.from === "server") player!.expect(event);
        else await player!.say(event);
        break;
      case "end":
        if (event.from === "server") player!.expectEnd();
        await player!.caughtUp();
        if (event.from === "relay") call!.end();
        break;
      case "cut":
        await player!.caughtUp();
        await player!.heardOut(); // as it was: what the server said of it is not in the recording
        call!.cancel();
        break;
      case "ask":
        await player!.caughtUp();
        await askIn(bench, event);
        break;
      case "notice":
        await player!.caughtUp();
        await noticeIn(bench, event);
        break;
      case "drain":
        await player!.caughtUp();
        await bench.delivery.drainRelay({ relayName: RELAY });
        break;
      case "vendor": // of the relay's side
      case "called":
      case "write":
      case "stop":
      case "start":
        break;
      case "outcome": {
        const { deliveries, inbounds } = event;
        const present = async () => JSON.stringify(await outcomeIn(bench, events));
        await until(
          async () => (await present()) === JSON.stringify({ deliveries, inbounds }),
          () => "all ends as it did",
        ).catch(() => {}); // the test shows what is other
      }
    }
  }
  const outcome = await outcomeIn(bench, events);
  return { greetings, frames: streams.map(({ frames }) => frames), outcome };
}
