// Runs the server's commands: one message to one chat each.
//
// C1. A command that ended for good is answered from the disk, one that is under way is joined, and any other is sent. The server
//     asks for one again only where it has no answer, or one that leaves it open: that it may be a copy is its decision (I5, R4).
// C2. Messages of one line of a channel go out one after the other, in the order in which they came.
// C3. The vendor's limits hold here too, whatever the server counted: what is too early is RETRYABLE.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Message, SendingChannel, SendOutcome } from "@hil/channels/channel.ts";
import { Attempt_Outcome } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { SendCommand } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { failpoint } from "@hil/platform/failpoints/failpoint.ts";
import type { Log } from "@hil/platform/telemetry/log.ts";
import { type CommandEnd, isForGood, type Spool } from "./spool.ts";

const MOST_REASON_CHARS = 1_000;

export interface TakeOptions {
  readonly image?: Uint8Array | undefined;
  readonly clockAheadMs: number;
}

export interface CommandRunner {
  /** How many are under way. */
  readonly running: number;
  /**
   * Takes a command; resolves with its end, and never rejects. `image`: the picture that came for it. `clockAheadMs`: how far
   * the server's clock is ahead of ours.
   */
  take(command: SendCommand, options: TakeOptions): Promise<CommandEnd>;
  /** Resolves when none is under way. */
  settled(): Promise<void>;
  /** Cuts what is under way: it ends as UNKNOWN. */
  cut(): void;
}

export function createCommandRunner({
  channels,
  spool,
  log,
  now,
}: {
  channels: ReadonlyMap<string, SendingChannel>;
  spool: Spool;
  log: Log;
  now: () => Date;
}): CommandRunner {
  const running = new Map<string, Promise<CommandEnd>>();
  const lines = new Map<string, Promise<unknown>>();
  /** Ends for good that could not be brought to disk. */
  const remembered = new Map<string, CommandEnd>();
  const cutting = new AbortController();

  const send = async (
    command: SendCommand,
    message: Message,
    channel: SendingChannel,
  ): Promise<CommandEnd> => {
    const { commandId, chatId, chatType } = command;
    const target = { chatId, chatType };
    const waitMs = channel.turnMs(target);
    if (waitMs > 0) {
      return retryable("the robot has sent as much as the vendor takes in a minute", waitMs);
    }
    failpoint("relay.before_send");
    const outcome = await channel.send(message, target, cutting.signal);
    failpoint("relay.after_send");
    log.debug({ command_id: commandId, outcome: outcome.kind }, "the vendor answered");
    return endOfOutcome(outcome);
  };

  const inLine = async (line: string, work: () => Promise<CommandEnd>): Promise<CommandEnd> => {
    const before = lines.get(line) ?? Promise.resolve();
    const mine = before.then(work);
    const settled = mine.catch(() => {});
    lines.set(line, settled);
    try {
      return await mine;
    } finally {
      if (lines.get(line) === settled) lines.delete(line);
    }
  };

  const run = async (command: SendCommand, { image, clockAheadMs }: TakeOptions): Promise<CommandEnd> => {
    const { commandId, channelId, chatId, chatType, expireTime } = command;
    const channel = channels.get(channelId);
    if (!channel) {
      return refused(`this relay runs no channel ${JSON.stringify(channelId)}`);
    }
    if (command.message.case === undefined) {
      return refused("this version of the relay does not know this kind of message: upgrade it");
    }
    const message = messageOf(command, image);
    if (!message) return retryable("its picture did not come whole");
    const isLate = () =>
      expireTime !== undefined && timestampMs(expireTime) <= now().getTime() + clockAheadMs;
    return inLine(JSON.stringify([channelId, channel.line({ chatId, chatType })]), async () => {
      const remembers = remembered.get(commandId);
      if (remembers) return remembers;
      if (isLate()) return retryable("it came too late to be sent");
      if (cutting.signal.aborted) return retryable("the relay is stopping");
      const known = spool.ended(commandId);
      if (known) return known;
      const end = await send(command, message, channel);
      failpoint("relay.before_record");
      if (!isForGood(end.outcome)) return end;
      await spool.end(commandId, end, now()).catch((error: unknown) => {
        log.error({ err: error }, "the end of a command could not be kept");
        remembered.set(commandId, end);
      });
      return end;
    });
  };

  const take = (command: SendCommand, options: TakeOptions): Promise<CommandEnd> => {
    const underWay = running.get(command.commandId);
    if (underWay) return underWay;
    const ended = run(command, options)
      .catch((error: unknown) => {
        log.error({ err: error }, "a command could not be run");
        return retryable("the relay could not read its disk");
      })
      .finally(() => running.delete(command.commandId));
    running.set(command.commandId, ended);
    return ended;
  };

  return {
    get running() {
      return running.size;
    },
    take,
    async settled() {
      while (running.size > 0) await Promise.all(running.values());
    },
    cut: () => cutting.abort(),
  };
}

/** A command as the channel sends it. Undefined: its picture is not there. */
function messageOf({ message }: SendCommand, image: Uint8Array | undefined): Message | undefined {
  switch (message.case) {
    case "text":
      return { kind: "text", text: message.value.text, mentions: message.value.mentions };
    case "markdown":
      return { kind: "markdown", text: message.value.text };
    case "image":
      return image?.length === message.value.sizeBytes ? { kind: "image", data: image } : undefined;
    case undefined:
      return undefined;
  }
}

function endOfOutcome(outcome: SendOutcome): CommandEnd {
  const base = { retryAfterMs: undefined, broken: false };
  switch (outcome.kind) {
    case "delivered":
      return { ...base, outcome: Attempt_Outcome.DELIVERED, reason: "" };
    case "retryable":
      return {
        ...base,
        outcome: Attempt_Outcome.RETRYABLE,
        reason: cut(outcome.reason),
        retryAfterMs: outcome.retryAfterMs,
      };
    case "refused":
      return {
        ...base,
        outcome: Attempt_Outcome.REFUSED,
        reason: cut(outcome.reason),
        broken: outcome.broken,
      };
    case "unknown":
      return { ...base, outcome: Attempt_Outcome.UNKNOWN, reason: cut(outcome.reason) };
  }
}

function refused(reason: string): CommandEnd {
  return { outcome: Attempt_Outcome.REFUSED, reason, retryAfterMs: undefined, broken: false };
}

function retryable(reason: string, retryAfterMs?: number): CommandEnd {
  return { outcome: Attempt_Outcome.RETRYABLE, reason, retryAfterMs, broken: false };
}

function cut(reason: string): string {
  return reason.toWellFormed().slice(0, MOST_REASON_CHARS);
}
