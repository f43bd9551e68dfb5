// What a later version of v1 may say: all that was recorded, with more in it and between it.
//
// L1. Every message carries fields that are not known today, of every kind that the wire has.
// L2. Between the recorded frames stand frames of a kind that is not known today; of a server also messages of an unknown kind
//     to send. What they name begins with "later/".
// L3. Between the recorded messages stand messages of an unknown kind.
// L4. Enums have values that are not known today, and Hello says a later version of the rules.
// L5. A stream that is lost ends with a reason that is not known today.

import { create } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code } from "@connectrpc/connect";
import type { ServiceError } from "@grpc/grpc-js";
import type { Channel_Kind } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import {
  RelayChannelSchema,
  type RelayFrame,
  RelayFrameSchema,
  type ServerFrame,
  ServerFrameSchema,
} from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import { AttachRequestSchema, AttachResponseSchema } from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import type { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import type { ChatType } from "@hil/gen/hil/session/v1/session_pb.ts";
import { hilError } from "@hil/platform/errors/hil-error.ts";
import { serviceErrorOf } from "@hil/platform/rpc/grpc-status.ts";
import type { Frame, Said, Side } from "./recording.ts";

const PREFIX = "later/";
/** The number of a kind in a oneof, and a value of an enum, that no version has. */
const KIND = 777;
const VALUE = 77;

interface UnknownField {
  readonly no: number;
  readonly wireType: WireType;
  readonly data: Uint8Array;
}

const nested = (bytes: Uint8Array) => new BinaryWriter().bytes(bytes).finish();

/** L1. */
const FIELDS: readonly UnknownField[] = [
  { no: 20_001, wireType: WireType.Varint, data: new BinaryWriter().uint64(2n ** 63n).finish() },
  { no: 20_002, wireType: WireType.Bit64, data: new BinaryWriter().double(0.5).finish() },
  { no: 20_003, wireType: WireType.LengthDelimited, data: nested(new TextEncoder().encode("of later")) },
  { no: 20_004, wireType: WireType.Bit32, data: new BinaryWriter().fixed32(1).finish() },
];

/** The command of a later version that a frame answers. Undefined: it answers none. */
export function laterCommandOf({ kind }: Frame): string | undefined {
  if (kind.case !== "result" || !kind.value.commandId.startsWith(PREFIX)) return undefined;
  return kind.value.commandId;
}

/** L5. */
export function endOfLater(): ServiceError {
  const reason = 9_999 as ErrorReason;
  return serviceErrorOf(hilError(Code.Unavailable, reason, "the server is away for a reason of later"));
}

/** What a message became. */
export interface Changed {
  /** Which of its frames are recorded. */
  readonly recorded: readonly boolean[];
  /** The commands of a later version that are in it. */
  readonly commandIds: readonly string[];
}

/** What the later version of a side says instead of each recorded message. */
export class Later {
  readonly #from: Side;
  #count = 0;

  constructor(from: Side) {
    this.#from = from;
  }

  /** Adds to a message. */
  change(said: Said): Changed {
    const { message } = said;
    if (message.case === "hello") {
      message.value.protocolVersion = 2;
      const kind = VALUE as Channel_Kind;
      message.value.channels.push(create(RelayChannelSchema, { channelId: "later", kind }));
    }
    const recorded: boolean[] = [];
    const commandIds: string[] = [];
    if (message.case === "frames") {
      const frames = message.value.frames as Frame[];
      for (const { kind } of frames) if (kind.case === "send") kind.value.chatType = VALUE as ChatType;
      const changed = frames.flatMap((frame) => {
        const between = this.#between(commandIds);
        recorded.push(...between.map(() => false), true);
        return [...between, frame];
      });
      frames.splice(0, frames.length, ...changed);
    }
    addFields(said);
    return { recorded, commandIds };
  }

  /** L3. */
  unknown(acknowledgedNumber: bigint): Said {
    const said =
      this.#from === "relay"
        ? create(AttachRequestSchema, { acknowledgedNumber })
        : create(AttachResponseSchema, { acknowledgedNumber });
    said.$unknown = [{ no: KIND, wireType: WireType.LengthDelimited, data: nested(new Uint8Array(300)) }];
    return said;
  }

  #between(commandIds: string[]): Frame[] {
    const name = () => {
      this.#count += 1;
      return `${PREFIX}${this.#count}`;
    };
    if (this.#from === "relay") return [unknownFrame(RelayFrameSchema, name())];
    const [ofKind, withMessage] = [name(), name()];
    commandIds.push(ofKind, withMessage);
    const value = { commandId: withMessage, channelId: "wecom-robot", chatId: "chat-1" };
    return [
      unknownFrame(ServerFrameSchema, ofKind),
      create(ServerFrameSchema, { kind: { case: "send", value } }),
    ];
  }
}

/** A frame of an unknown kind, whose first field names a command. */
function unknownFrame<S extends typeof RelayFrameSchema | typeof ServerFrameSchema>(
  schema: S,
  commandId: string,
): S extends typeof RelayFrameSchema ? RelayFrame : ServerFrame {
  const kind = new BinaryWriter().tag(2, WireType.Varint).uint32(5);
  const named = kind.tag(1, WireType.LengthDelimited).string(commandId).finish();
  const frame = create(schema as typeof ServerFrameSchema);
  frame.$unknown = [{ no: KIND, wireType: WireType.LengthDelimited, data: nested(named) }];
  return frame as never;
}

/** L1, in a message and all that are in it. */
function addFields(value: unknown): void {
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return;
  for (const [name, each] of Object.entries(value)) if (name !== "$unknown") addFields(each);
  if (!("$typeName" in value)) return;
  const message = value as { $unknown?: UnknownField[] };
  message.$unknown = [...(message.$unknown ?? []), ...FIELDS];
}
