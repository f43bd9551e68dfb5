// One stream of a relay, from Welcome to its end. The rules are those of relay_service.proto.
//
// A1. A command is the relay's until its result comes, or the stream ends: then nobody here knows what became of it, and saying
//     it again under the same id is the sender's (I9, R4). One that was not said yet is simply not sent.
// A2. A vendor's message is acknowledged once the callback service has it on disk; messages are handed on in their order.
// A3. A relay that is not heard for three heartbeats is gone, whatever the connection looks like (F14, F15). One that does not
//     take what it is told for half a minute is cut off (F22).
// A4. Messages are small and few on the way at once: on a line of 64 kbit/s each side hears something every few seconds.

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type * as grpc from "@grpc/grpc-js";
import {
  type CommandResult,
  type RelayFrames,
  RelayFramesSchema,
  type RelayInbound,
  type SendCommand,
  type ServerFrame,
  ServerFrameSchema,
} from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import {
  type AttachRequest,
  type AttachResponse,
  AttachResponseSchema,
} from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import { FrameWindow } from "@hil/platform/relay/frame-window.ts";
import { TakenFrames } from "@hil/platform/relay/taken-frames.ts";
import { serviceErrorOf } from "@hil/platform/rpc/grpc-status.ts";
import { checkMessage } from "@hil/platform/rpc/service.ts";
import type { RelayFence } from "./relay-store.ts";

export type AttachCall = grpc.ServerDuplexStream<AttachRequest, AttachResponse>;

/**
 * How often each side says something at the least. Three of these are well below 10 s: where only what is sent to a relay is
 * lost, it is heard for a second yet, until its connection waits for an acknowledgement.
 */
export const HEARTBEAT_MS = 2_500;
/** Frames that either side may have on the way. */
export const WINDOW = 64;
const TICK_MS = 500;
/** Nothing of a batch is there before its end: on a line of 64 kbit/s, this is half a second. */
const BATCH_BYTES = 4 * 1024;
const MOST_BYTES_ON_THE_WAY = 64 * 1024;
/** Of a picture, in one frame. */
const PART_BYTES = 15 * 1024;
/** How long the oldest frame may wait for its acknowledgement. */
const TAKING_PATIENCE_MS = 30_000;
/** How long a relay that was told to drain may take. */
const DRAIN_PATIENCE_MS = 10_000;
/** Messages of vendors that are handed on at once. */
const INGEST_FRAMES = 200;

/** How a command ended here. */
export type CommandEnd =
  | { readonly kind: "result"; readonly result: CommandResult }
  /** The relay never had it. */
  | { readonly kind: "unsent" }
  /** It was said, and no result came. */
  | { readonly kind: "lost"; readonly reason: string };

export interface RelayStreamOptions {
  readonly call: AttachCall;
  readonly fence: RelayFence;
  /** Names the process at the other end. */
  readonly instanceId: string;
  /** The channels that it may run. */
  readonly channelIds: ReadonlySet<string>;
  /** Resolves when these are kept for good. Rejects where they cannot be: then the stream ends with that. */
  readonly takeInbounds: (inbounds: readonly RelayInbound[]) => Promise<void>;
}

/** A picture whose parts are said before its command. */
interface Picture {
  readonly command: Command;
  readonly image: Uint8Array;
  /** How much of it was said. */
  offset: number;
}

interface Command {
  readonly command: SendCommand;
  readonly resolve: (end: CommandEnd) => void;
  readonly ended: Promise<CommandEnd>;
}

type Said = NonNullable<MessageInitShape<typeof AttachResponseSchema>["message"]>;

export class RelayStream {
  readonly fence: RelayFence;
  readonly instanceId: string;
  readonly channelIds: ReadonlySet<string>;
  /** Resolves with why it ended, in words. */
  readonly ended: Promise<string>;
  /** How many messages of vendors the relay keeps, as it last said. */
  waitingInbounds = 0;
  readonly #call: AttachCall;
  readonly #takeInbounds: RelayStreamOptions["takeInbounds"];
  readonly #over = Promise.withResolvers<string>();
  readonly #ticking: NodeJS.Timeout;
  #isOpen = true;
  #isDraining = false;
  #drainSinceMs = 0;
  #heardMs = performance.now();
  #saidMs = performance.now();
  #tickedMs = performance.now();
  #scheduled = false;

  /** Commands that were not said yet. */
  readonly #queue: Command[] = [];
  /** Commands whose pictures were not said yet: a part whenever there is room, one picture after the other. */
  readonly #pictures: Picture[] = [];
  /** Commands that were said and have no result, by id. */
  readonly #underWay = new Map<string, Command>();
  readonly #sent = new FrameWindow<{ readonly bytes: number; readonly sinceMs: number }>();
  #bytesOnTheWay = 0;

  readonly #taken = new TakenFrames();
  #acknowledged = 0n;
  readonly #inbounds: { readonly number: bigint; readonly inbound: RelayInbound }[] = [];
  #isIngesting = false;

  constructor({ call, fence, instanceId, channelIds, takeInbounds }: RelayStreamOptions) {
    this.#call = call;
    this.fence = fence;
    this.instanceId = instanceId;
    this.channelIds = channelIds;
    this.#takeInbounds = takeInbounds;
    this.ended = this.#over.promise;
    call.on("data", (request: AttachRequest) => this.#take(request));
    call.on("end", () => this.#halfClosed());
    call.on("cancelled", () => this.#close("the connection was lost"));
    call.on("error", () => this.#close("the connection was lost"));
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether a command that is given to it now is said. */
  get takesCommands(): boolean {
    return this.#isOpen && !this.#isDraining;
  }

  /** How long ago it was heard of. */
  get heardAgoMs(): number {
    return performance.now() - this.#heardMs;
  }

  /** Says something that is not numbered. */
  say(message: Said): void {
    if (!this.#isOpen) return;
    this.#saidMs = performance.now();
    this.#acknowledged = this.#taken.acknowledged;
    this.#call.write(create(AttachResponseSchema, { acknowledgedNumber: this.#taken.acknowledged, message }));
  }

  /** Gives the relay a command, with its picture where it has one; one that it has under this id already is joined. */
  run(command: SendCommand, image?: Uint8Array): Promise<CommandEnd> {
    const known = this.#underWay.get(command.commandId) ?? this.#unsaid(command.commandId);
    if (known) return known.ended;
    if (!this.takesCommands) return Promise.resolve({ kind: "unsent" });
    const { promise, resolve } = Promise.withResolvers<CommandEnd>();
    const given = { command, resolve, ended: promise };
    if (image) this.#pictures.push({ command: given, image, offset: 0 });
    else this.#queue.push(given);
    this.#schedule();
    return promise;
  }

  /** Gives a command up: what comes of it later is nobody's any more. */
  forget(commandId: string, reason: string): void {
    const unsaid = this.#unsaid(commandId);
    if (unsaid) {
      remove(this.#queue, (each) => each === unsaid);
      remove(this.#pictures, ({ command }) => command === unsaid);
      unsaid.resolve({ kind: "unsent" });
      return;
    }
    this.#underWay.get(commandId)?.resolve({ kind: "lost", reason });
    this.#underWay.delete(commandId);
  }

  /** Gives it no more commands, so that it attaches elsewhere when those under way have ended. */
  drain(reason: string): void {
    if (this.#isDraining || !this.#isOpen) return;
    this.#isDraining = true;
    this.#drainSinceMs = performance.now();
    this.#giveBack();
    this.say({ case: "drain", value: { reason } });
  }

  /** Ends it; without an error, in good order. */
  end(reason: string, error?: ConnectError): void {
    if (!this.#isOpen) return;
    this.#close(reason);
    if (error) this.#call.emit("error", serviceErrorOf(error));
    else this.#call.end();
  }

  #close(reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearInterval(this.#ticking);
    this.#giveBack();
    for (const { resolve } of this.#underWay.values()) resolve({ kind: "lost", reason });
    this.#underWay.clear();
    this.#inbounds.length = 0;
    this.#over.resolve(reason);
  }

  /** What was not said is not sent. */
  #giveBack(): void {
    for (const { resolve } of this.#queue.splice(0)) resolve({ kind: "unsent" });
    for (const { command } of this.#pictures.splice(0)) command.resolve({ kind: "unsent" });
  }

  #unsaid(commandId: string): Command | undefined {
    const isIt = ({ command }: Command) => command.commandId === commandId;
    return this.#queue.find(isIt) ?? this.#pictures.map(({ command }) => command).find(isIt);
  }

  #halfClosed(): void {
    this.end(this.#isDraining ? "it was drained" : "the relay ended it");
  }

  #break(problem: string): void {
    const error = hilError(
      Code.InvalidArgument,
      ErrorReason.INVALID_REQUEST,
      `${problem}; relay_service.proto has the rules of the stream`,
    );
    this.end(problem, error);
  }

  #take(request: AttachRequest): void {
    if (!this.#isOpen) return;
    this.#heardMs = performance.now();
    this.#letGo(request.acknowledgedNumber);
    const { message } = request;
    switch (message.case) {
      case "hello":
        this.#break("Hello came a second time");
        break;
      case "frames":
        this.#takeFrames(message.value);
        break;
      case "heartbeat":
        this.waitingInbounds = Number(message.value.waitingInbounds);
        break;
      case "drain": // it ends the stream when its results are through
        this.#isDraining = true;
        this.#drainSinceMs = performance.now();
        this.#giveBack();
        break;
      default: // an acknowledgement alone, or a kind of a later version
    }
    this.#schedule();
  }

  #letGo(acknowledgedNumber: bigint): void {
    const settled = this.#sent.acknowledge(acknowledgedNumber);
    if (settled === undefined) {
      this.#break(`frame ${acknowledgedNumber} was acknowledged and never sent`);
      return;
    }
    for (const { bytes } of settled) this.#bytesOnTheWay -= bytes;
  }

  #takeFrames(message: RelayFrames): void {
    try {
      checkMessage(RelayFramesSchema, message);
    } catch (error) {
      this.#break(ConnectError.from(error).rawMessage);
      return;
    }
    const { firstNumber, frames } = message;
    const taken = this.#taken.take(firstNumber, frames.length);
    if (taken.kind === "gap") {
      this.#break(`frame ${taken.expected} did not come`);
      return;
    }
    if (this.#taken.unacknowledged > WINDOW) {
      this.#break(`more than ${WINDOW} frames are on the way`);
      return;
    }
    for (const [index, { kind }] of frames.slice(taken.offset).entries()) {
      const number = taken.firstNumber + BigInt(index);
      if (kind.case === "inbound") {
        if (!this.channelIds.has(kind.value.channelId)) {
          this.#break(
            `a message came of the channel ${JSON.stringify(kind.value.channelId)}, which was refused`,
          );
          return;
        }
        this.#inbounds.push({ number, inbound: kind.value });
        continue;
      }
      if (kind.case === "result") this.#takeResult(kind.value);
      this.#taken.done(number);
    }
    void this.#ingest();
  }

  #takeResult(result: CommandResult): void {
    failpoint("relayed.result_came");
    // One that nobody waits for was given up; saying it again finds what the relay remembers.
    this.#underWay.get(result.commandId)?.resolve({ kind: "result", result });
    this.#underWay.delete(result.commandId);
  }

  async #ingest(): Promise<void> {
    if (this.#isIngesting) return;
    this.#isIngesting = true;
    try {
      while (this.#isOpen && this.#inbounds.length > 0) {
        const batch = this.#inbounds.splice(0, INGEST_FRAMES);
        failpoint("relayed.before_ingest");
        await this.#takeInbounds(batch.map(({ inbound }) => inbound));
        failpoint("relayed.after_ingest");
        for (const { number } of batch) this.#taken.done(number);
        this.#schedule();
      }
    } catch (error) {
      const shown = ConnectError.from(error);
      this.end(shown.rawMessage, shown);
    } finally {
      this.#isIngesting = false;
    }
  }

  /** Says what there is to say, once in a turn. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#isOpen) this.#pump();
    });
  }

  #pump(): void {
    for (;;) {
      const firstNumber = this.#sent.nextNumber;
      const frames = this.#nextBatch();
      if (frames.length === 0) break;
      this.say({ case: "frames", value: { firstNumber, frames } });
    }
    if (this.#taken.acknowledged > this.#acknowledged) this.say({ case: undefined });
  }

  #nextBatch(): ServerFrame[] {
    const batch: ServerFrame[] = [];
    let bytes = 0;
    while (this.#sent.size < WINDOW) {
      const frame = this.#nextFrame();
      if (!frame) break;
      const cost = toBinary(ServerFrameSchema, frame).length;
      if (batch.length > 0 && bytes + cost > BATCH_BYTES) break;
      if (this.#bytesOnTheWay > 0 && this.#bytesOnTheWay + cost > MOST_BYTES_ON_THE_WAY) break;
      this.#noteSaid(frame);
      this.#sent.push({ bytes: cost, sinceMs: performance.now() });
      this.#bytesOnTheWay += cost;
      bytes += cost;
      batch.push(frame);
    }
    return batch;
  }

  /** What would be said next: a command before a part of a picture. */
  #nextFrame(): ServerFrame | undefined {
    const [next] = this.#queue;
    if (next) return create(ServerFrameSchema, { kind: { case: "send", value: next.command } });
    const [picture] = this.#pictures;
    if (!picture) return undefined;
    const data = picture.image.subarray(picture.offset, picture.offset + PART_BYTES);
    const { commandId } = picture.command.command;
    return create(ServerFrameSchema, { kind: { case: "imagePart", value: { commandId, data } } });
  }

  #noteSaid({ kind }: ServerFrame): void {
    if (kind.case === "send") {
      this.#underWay.set(kind.value.commandId, this.#queue.shift()!);
      return;
    }
    const picture = this.#pictures[0]!;
    picture.offset += PART_BYTES;
    if (picture.offset < picture.image.length) return;
    this.#pictures.shift();
    this.#queue.push(picture.command);
  }

  #tick(): void {
    const nowMs = performance.now();
    const stoodStill = nowMs - this.#tickedMs > HEARTBEAT_MS;
    this.#tickedMs = nowMs;
    if (stoodStill) return; // what came meanwhile was not read yet
    const silentMs = Math.round(nowMs - this.#heardMs);
    if (silentMs > 3 * HEARTBEAT_MS) {
      const reason = `nothing was heard from the relay for ${Math.round(silentMs / 1000)} s`;
      const metadata = { silent_ms: String(silentMs) };
      this.end(reason, hilError(Code.DeadlineExceeded, ErrorReason.RELAY_SILENT, reason, metadata));
      return;
    }
    const oldest = this.#sent.oldest;
    if (oldest && nowMs - oldest.sinceMs > TAKING_PATIENCE_MS) {
      const reason = `the relay has taken nothing for ${TAKING_PATIENCE_MS / 1000} s`;
      this.end(reason, hilError(Code.DeadlineExceeded, ErrorReason.RELAY_SILENT, reason));
      return;
    }
    if (this.#isDraining && nowMs - this.#drainSinceMs > DRAIN_PATIENCE_MS) {
      this.end("it was drained");
      return;
    }
    if (nowMs - this.#saidMs > HEARTBEAT_MS * 0.7) this.say({ case: "heartbeat", value: {} });
  }
}

function remove<T>(list: T[], isIt: (each: T) => boolean): void {
  const index = list.findIndex(isIt);
  if (index >= 0) list.splice(index, 1);
}
