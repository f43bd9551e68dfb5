// Stands between a relay and a server, and tells of all that goes by.

import type { StatusObject } from "@grpc/grpc-js";
import { callBytes, lost, type ServedStream, serveBytes } from "./byte-streams.ts";
import { Progress } from "./progress.ts";
import { framesOf, type RecordedEvent, type Side, saidBy } from "./recording.ts";

export interface Tap {
  readonly port: number;
  /** How many streams there were. */
  readonly streams: number;
  /** Both sides have greeted, and acknowledged all that the other said. */
  readonly isQuiet: boolean;
  /** How often each side said that it is there. */
  heartbeats(): Record<Side, number>;
  /** Loses on this stream what a side says: from now on, or behind its next frames. */
  hold(side: Side, behind?: "frames"): void;
  /** Loses the connection. */
  cut(): void;
  words(): string;
  close(): void;
}

export async function startTap(serverPort: number, happens: (event: RecordedEvent) => void): Promise<Tap> {
  let streams = 0;
  let progress = { relay: new Progress(), server: new Progress() };
  const beats = { relay: 0, server: 0 };
  const held = new Set<Side>();
  let heldBehindFrames: Side | undefined;
  let cut = () => {};

  const note = (from: Side, bytes: Buffer): boolean => {
    if (held.has(from)) return false;
    const said = saidBy(from, bytes);
    progress[from].note(said);
    if (said.message.case === "heartbeat") beats[from] += 1;
    const kinds = framesOf(said).map(({ kind }) => kind.case);
    const says = [said.message.case ?? "acknowledgement", ...kinds].join(" ");
    happens({ event: "message", from, says, bytes: bytes.toString("base64") });
    if (heldBehindFrames === from && said.message.case === "frames") held.add(from);
    return true;
  };

  const attach = (down: ServedStream) => {
    const token = String(down.metadata.get("authorization")[0]).replace(/^Bearer /, "");
    const up = callBytes(serverPort, token);
    let isOpen = true;
    streams += 1;
    progress = { relay: new Progress(), server: new Progress() };
    held.clear();
    heldBehindFrames = undefined;
    happens({ event: "open" });
    down.on("data", (bytes: Buffer) => {
      if (isOpen && note("relay", bytes)) up.write(bytes);
    });
    down.on("end", () => {
      if (!isOpen) return;
      happens({ event: "end", from: "relay" });
      up.end();
    });
    down.on("error", () => {});
    up.on("data", (bytes: Buffer) => {
      if (isOpen && note("server", bytes)) down.write(bytes);
    });
    up.on("status", (status: StatusObject) => {
      if (!isOpen) return;
      isOpen = false;
      if (status.code !== 0) {
        down.emit("error", status);
        throw new Error(`the server ended the stream with ${status.details}`);
      }
      happens({ event: "end", from: "server" });
      down.end();
    });
    cut = () => {
      isOpen = false;
      happens({ event: "cut" });
      up.cancel();
      down.emit("error", lost());
    };
  };

  const server = await serveBytes(attach);
  return {
    port: server.port,
    get streams() {
      return streams;
    },
    get isQuiet() {
      const { relay, server } = progress;
      return (
        relay.greetings === 1 &&
        server.greetings === 1 &&
        relay.acknowledged === server.numbers.next - 1n &&
        server.acknowledged === relay.numbers.next - 1n
      );
    },
    heartbeats: () => ({ ...beats }),
    hold(side, behind) {
      if (behind) heldBehindFrames = side;
      else held.add(side);
    },
    cut: () => cut(),
    words: () => `stream ${streams}: relay ${progress.relay}, server ${progress.server}`,
    close: () => server.close(),
  };
}
