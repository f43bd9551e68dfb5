// One stream, from Hello to its end.
//
// A1. What is said for good is numbered; what was not acknowledged when the stream ends is said again on the next (I9).
// A2. A message of a vendor leaves the spool only when the server has acknowledged it on this stream.
// A3. A command is acknowledged when it is taken, and each that is taken is answered: with what is known of it where it ended
//     for good, by joining one that is under way, by sending it again else. What the server got no answer to on a stream it
//     says again on the next: so the first that comes on a stream may have crossed with an end of which the server does not
//     know yet. It gets that end, for whether to send again after it is the server's to say (I5). The next on the same stream
//     comes from a server that has seen it.
// A4. Whoever is not heard for three heartbeats is taken for gone, whatever the connection looks like (F14, F15).
// A5. A stream has proven itself when it has stood for some seconds or carried something there. Before that its end counts as
//     one more failure, so that a server that falls over each Hello is not called in a tight loop.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { durationFromMs, durationMs, timestampFromDate, timestampMs } from "@bufbuild/protobuf/wkt";
import type * as grpc from "@grpc/grpc-js";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type {
  HelloSchema,
  RelayFrameSchema,
  SendCommand,
  ServerFrame,
  ServerFrames,
  Welcome,
} from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { AttachRequestSchema, type AttachResponse } from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import { FrameWindow } from "@hil/platform/relay/frame-window.ts";
import { TakenFrames } from "@hil/platform/relay/taken-frames.ts";
import { errorOfStatus } from "@hil/platform/rpc/grpc-status.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import type { CommandRunner } from "./command-runner.ts";
import type { Way } from "./config.ts";
import { openClient } from "./dial.ts";
import { callAttach } from "./grpc-call.ts";
import { ImageParts } from "./image-parts.ts";
import { type CommandEnd, isForGood, type Spool } from "./spool.ts";
import { readStreamEnd, type StreamEnd } from "./stream-end.ts";

/** The version of the rules that this relay keeps to. */
export const PROTOCOL_VERSION = 1;
const WELCOME_PATIENCE_MS = 10_000;
const PROVEN_AFTER_MS = 5_000;
/**
 * A batch is no larger, so that over 64 kbit/s the other side hears something every half second (A4): nothing of a batch is
 * there before its end, the first of what waited neither.
 */
const BATCH_FRAMES = 64;
const BATCH_BYTES = 4 * 1024;
/** What a message costs besides its body. */
const FRAME_BYTES = 100;
/** So much of messages may be on the way: on a slow line what is said next waits behind it. One more always may. */
const MOST_BYTES_ON_THE_WAY = 64 * 1024;
/** How long what is under way may take once one side has said that it ends the stream. */
const DRAIN_PATIENCE_MS = 8_000;
/** Without a word of the server about it. */
const USUAL_HEARTBEAT_MS = 3_000;

/** Results that the server has not acknowledged, by command. They outlive a stream, not the process. */
export type Results = Map<string, CommandEnd>;

export interface AttachmentOptions {
  readonly way: Way;
  readonly hello: Omit<MessageInitShape<typeof HelloSchema>, "$typeName" | "time" | "protocolVersion"> & {
    readonly instanceId: string;
  };
  readonly spool: Spool;
  readonly runner: CommandRunner;
  readonly results: Results;
  /** Tells that there may be something new to say. Returns what stops it. */
  readonly onNews: (listener: () => void) => () => void;
  /** Hears when the stream stands. */
  readonly welcomed: (welcome: Welcome) => void;
  /** Ends the stream in good order when it aborts. */
  readonly stop: AbortSignal;
  readonly log: Log;
  readonly now: () => Date;
}

/** What an acknowledgement lets go of. */
type Sent =
  | { readonly kind: "inbound"; readonly seq: number; readonly bytes: number }
  | { readonly kind: "result"; readonly commandId: string; readonly end: CommandEnd };

/** How an attachment ended. */
export type AttachmentEnd = StreamEnd & {
  readonly isProven: boolean;
};

/** Attaches, and resolves when the stream is over. Never rejects. */
export async function attach(options: AttachmentOptions): Promise<AttachmentEnd> {
  const client = openClient(options.way);
  try {
    return await new Attachment(client, options).run();
  } finally {
    client.close();
  }
}

class Attachment {
  readonly #call;
  readonly #options: AttachmentOptions;
  readonly #over = Promise.withResolvers<StreamEnd>();
  readonly #sent = new FrameWindow<Sent>();
  #window = 0;
  #heartbeatMs = USUAL_HEARTBEAT_MS;
  #clockAheadMs = 0;
  #welcomed = false;
  #ended = false;
  #proven = false;
  #isDraining = false;
  #isHalfClosed = false;
  /** Channels that the server does not let it run: what came for them stays on the disk. */
  #refused: readonly string[] = [];
  /** The place in the spool up to which all was said on this stream. */
  #cursor = 0;
  #bytesOnTheWay = 0;
  /** Results that were not said on this stream yet. */
  readonly #unsaid: Set<string>;
  /** Ends that answer a command of this stream. All others come from streams before. */
  readonly #answers = new WeakSet<CommandEnd>();
  #heardMs = performance.now();
  #saidMs = performance.now();
  #tickedMs = performance.now();
  #ticking: NodeJS.Timeout | undefined;
  readonly #taken = new TakenFrames();
  /** How far the server was told that they were taken. */
  #acknowledged = 0n;
  readonly #images = new ImageParts();
  #scheduled = false;

  constructor(client: grpc.Client, options: AttachmentOptions) {
    this.#options = options;
    this.#unsaid = new Set(options.results.keys());
    this.#call = callAttach(client, options.way.token);
  }

  async run(): Promise<AttachmentEnd> {
    const { hello, stop, onNews, now } = this.#options;
    const call = this.#call;
    call.on("data", (message: AttachResponse) => this.#take(message));
    call.on("error", () => {}); // the status says it
    call.on("status", (status: grpc.StatusObject) =>
      this.#finish(readStreamEnd(errorOfStatus(status), this.#options.hello.instanceId)),
    );
    const impatience = setTimeout(() => {
      if (!this.#welcomed) this.#finish({ kind: "lost", reason: "the server did not answer within 10 s" });
    }, WELCOME_PATIENCE_MS);
    const stopNews = onNews(() => this.#schedule());
    const drain = () => this.#drain("the relay is stopping", true);
    stop.addEventListener("abort", drain);
    try {
      this.#say({
        case: "hello",
        value: { ...hello, protocolVersion: PROTOCOL_VERSION, time: timestampFromDate(now()) },
      });
      if (stop.aborted) drain();
      this.#tickEvery(USUAL_HEARTBEAT_MS / 6);
      return { ...(await this.#over.promise), isProven: this.#proven };
    } finally {
      this.#ended = true;
      clearTimeout(impatience);
      clearInterval(this.#ticking);
      stopNews();
      stop.removeEventListener("abort", drain);
      call.cancel();
    }
  }

  #finish(end: StreamEnd): void {
    this.#over.resolve(end);
  }

  #say(message: NonNullable<MessageInitShape<typeof AttachRequestSchema>["message"]>): void {
    if (this.#ended || this.#isHalfClosed) return;
    this.#saidMs = performance.now();
    this.#acknowledged = this.#taken.acknowledged;
    this.#call.write(create(AttachRequestSchema, { acknowledgedNumber: this.#acknowledged, message }));
  }

  #take(message: AttachResponse): void {
    if (this.#ended) return;
    this.#heardMs = performance.now();
    const { message: said, acknowledgedNumber } = message;
    if (said.case === "welcome") this.#welcome(said.value);
    if (!this.#welcomed) {
      this.#finish({ kind: "broken", reason: "the server said something before its Welcome" });
      return;
    }
    this.#letGo(acknowledgedNumber);
    switch (said.case) {
      case "frames":
        this.#takeFrames(said.value);
        break;
      case "drain":
        this.#drain(said.value.reason, false);
        break;
      default: // a heartbeat, an acknowledgement alone, or a kind of a later version
    }
    this.#schedule();
  }

  #welcome(welcome: Welcome): void {
    if (this.#welcomed) return;
    this.#welcomed = true;
    this.#window = welcome.window;
    this.#refused = welcome.refusedChannels.map(({ channelId }) => channelId);
    const heartbeatMs = welcome.heartbeatInterval ? durationMs(welcome.heartbeatInterval) : 0;
    if (heartbeatMs > 0) this.#heartbeatMs = heartbeatMs;
    this.#tickEvery(this.#heartbeatMs / 6);
    if (welcome.time) this.#clockAheadMs = timestampMs(welcome.time) - this.#options.now().getTime();
    setTimeout(() => {
      if (!this.#ended) this.#proven = true;
    }, PROVEN_AFTER_MS).unref();
    this.#options.welcomed(welcome);
  }

  /** Lets go of what the server has acknowledged. */
  #letGo(acknowledgedNumber: bigint): void {
    const done = this.#sent.acknowledge(acknowledgedNumber);
    if (done === undefined) {
      this.#finish({ kind: "broken", reason: "the server acknowledged what was never sent" });
      return;
    }
    if (done.length === 0) return;
    this.#proven = true;
    const { spool, results, log } = this.#options;
    failpoint("relay.before_remove");
    const inbounds = done.filter((each) => each.kind === "inbound");
    const seqs = inbounds.map(({ seq }) => seq);
    for (const { bytes } of inbounds) this.#bytesOnTheWay -= bytes;
    for (const each of done) {
      if (each.kind !== "result" || results.get(each.commandId) !== each.end) continue; // a newer end took its place
      if (!this.#unsaid.has(each.commandId)) results.delete(each.commandId); // else it answers a repetition yet
    }
    if (seqs.length === 0) return;
    spool.remove(seqs).catch((error: unknown) => {
      log.error(
        { err: error },
        "what the server has could not be removed here; it is told again, and known there",
      );
    });
  }

  #takeFrames({ firstNumber, frames }: ServerFrames): void {
    const taken = this.#taken.take(firstNumber, frames.length);
    if (taken.kind === "gap") {
      this.#finish({ kind: "broken", reason: `the server's frame ${taken.expected} did not come` });
      return;
    }
    for (const [index, frame] of frames.slice(taken.offset).entries()) {
      this.#taken.done(taken.firstNumber + BigInt(index));
      switch (frame.kind.case) {
        case "send":
          this.#run(frame.kind.value);
          break;
        case "imagePart":
          this.#images.add(frame.kind.value);
          break;
        default:
          this.#refuse(frame);
      }
    }
  }

  /** Answers a command of a kind that only later versions know. */
  #refuse(frame: ServerFrame): void {
    const commandId = commandIdOf(frame);
    if (commandId === undefined) return;
    this.#answer(commandId, {
      outcome: Attempt_Outcome.REFUSED,
      reason: "this version of the relay does not know this kind of command: upgrade it",
      retryAfterMs: undefined,
      broken: false,
    });
  }

  #run(command: SendCommand): void {
    const { runner, results } = this.#options;
    const { commandId } = command;
    const image = this.#images.take(commandId);
    const known = results.get(commandId);
    if (known && (isForGood(known.outcome) || !this.#answers.has(known))) {
      this.#answer(commandId, known);
      return;
    }
    results.delete(commandId); // the server asks for another
    void runner.take(command, { image, clockAheadMs: this.#clockAheadMs }).then((end) => {
      this.#answer(commandId, end);
      this.#schedule();
    });
  }

  /** Has a command of this stream answered with an end. */
  #answer(commandId: string, end: CommandEnd): void {
    this.#options.results.set(commandId, end);
    this.#answers.add(end);
    this.#unsaid.add(commandId);
  }

  /** Says what there is to say, once in a turn. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#ended && this.#welcomed) this.#pump();
    });
  }

  #pump(): void {
    for (;;) {
      const batch = this.#nextBatch();
      if (batch.length === 0) break;
      const firstNumber = this.#sent.nextNumber;
      const frames = batch.map(({ sent, frame }) => {
        this.#sent.push(sent);
        return frame;
      });
      this.#say({ case: "frames", value: { firstNumber, frames } });
    }
    if (this.#taken.acknowledged > this.#acknowledged) this.#say({ case: undefined });
    if (this.#isDraining && !this.#isHalfClosed && this.#isThrough()) {
      this.#isHalfClosed = true;
      this.#call.end();
    }
  }

  #nextBatch() {
    const { spool, results } = this.#options;
    const batch: { sent: Sent; frame: MessageInitShape<typeof RelayFrameSchema> }[] = [];
    let room = Math.min(BATCH_FRAMES, this.#window - this.#sent.size);
    for (const commandId of this.#unsaid) {
      if (room <= 0) break;
      this.#unsaid.delete(commandId);
      const end = results.get(commandId);
      if (end === undefined) continue;
      batch.push({
        sent: { kind: "result", commandId, end },
        frame: { kind: { case: "result", value: resultOf(commandId, end) } },
      });
      room -= 1;
    }
    if (room <= 0 || this.#isDraining) return batch;
    let bytes = 0;
    for (const inbound of spool.after(this.#cursor, room, this.#refused)) {
      const cost = inbound.body.length + FRAME_BYTES;
      bytes += cost;
      if (bytes > BATCH_BYTES && batch.length > 0) break;
      if (this.#bytesOnTheWay > 0 && this.#bytesOnTheWay + cost > MOST_BYTES_ON_THE_WAY) break;
      this.#bytesOnTheWay += cost;
      this.#cursor = inbound.seq;
      batch.push({
        sent: { kind: "inbound", seq: inbound.seq, bytes: cost },
        frame: {
          kind: {
            case: "inbound",
            value: {
              inboundId: inbound.id,
              channelId: inbound.channelId,
              body: inbound.body,
              receiveTime: timestampFromDate(inbound.receiveTime),
              acknowledgeTime: inbound.ackTime && timestampFromDate(inbound.ackTime),
            },
          },
        },
      });
    }
    return batch;
  }

  /** Looks so often at the clock: much more often than the server wants to hear something. */
  #tickEvery(everyMs: number): void {
    clearInterval(this.#ticking);
    this.#ticking = setInterval(() => this.#tick(), everyMs);
  }

  #tick(): void {
    const nowMs = performance.now();
    const wasHeldUp = nowMs - this.#tickedMs > this.#heartbeatMs;
    this.#tickedMs = nowMs;
    // What came while this process stood still was not read yet: it is given another tick.
    if (!this.#welcomed || wasHeldUp) return;
    const silentMs = nowMs - this.#heardMs;
    if (silentMs > 3 * this.#heartbeatMs) {
      this.#finish({
        kind: "lost",
        reason: `nothing was heard from the server for ${Math.round(silentMs / 1000)} s`,
      });
      return;
    }
    if (nowMs - this.#saidMs > this.#heartbeatMs * 0.7) {
      this.#say({ case: "heartbeat", value: { waitingInbounds: BigInt(this.#options.spool.size) } });
    }
  }

  /** Takes nothing new, lets what is under way end, and ends the stream. */
  #drain(reason: string, isOurs: boolean): void {
    if (this.#isDraining || this.#ended) return;
    this.#isDraining = true;
    this.#options.log.info(
      { reason },
      isOurs ? "telling the server that the stream ends" : "the server is about to end the stream",
    );
    if (isOurs) {
      if (!this.#welcomed) {
        this.#finish({ kind: "drained", reason });
        return;
      }
      this.#say({ case: "drain", value: { reason } });
    }
    setTimeout(() => this.#finish({ kind: "drained", reason }), DRAIN_PATIENCE_MS).unref();
    this.#schedule();
  }

  /** Whether nothing would be lost for this stream to end: messages of vendors are on disk, results are not. */
  #isThrough(): boolean {
    return this.#options.runner.running === 0 && this.#options.results.size === 0;
  }
}

/** The id of a command of an unknown kind: in all of them it is field 1. Undefined: it cannot be read. */
function commandIdOf({ $unknown: unknown = [] }: ServerFrame): string | undefined {
  const command = unknown.find(({ wireType }) => wireType === WireType.LengthDelimited);
  if (!command) return undefined;
  try {
    const reader = new BinaryReader(new BinaryReader(command.data).bytes());
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1 && wireType === WireType.LengthDelimited) return reader.string();
      reader.skip(wireType, field);
    }
  } catch {
    // it is no message
  }
  return undefined;
}

function resultOf(commandId: string, { outcome, reason, retryAfterMs, broken }: CommandEnd) {
  const retryAfter = retryAfterMs === undefined ? undefined : durationFromMs(retryAfterMs);
  return { commandId, outcome, reason, retryAfter, broken };
}
