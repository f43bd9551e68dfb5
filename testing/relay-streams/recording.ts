// What a relay and a delivery service of one version said to each other, kept as a file of lines.
//
// Each line is an event in the order in which it came about. Messages are there as the bytes that were on the wire; what else
// happened stands between them: what was asked, what the vendor answered, what a person wrote. So either side can be played
// to the other side of another version.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { RelayFrame, ServerFrame } from "@hil/gen/hil/delivery/v1/relay_pb.ts";
import {
  type AttachRequest,
  AttachRequestSchema,
  type AttachResponse,
  AttachResponseSchema,
} from "@hil/gen/hil/delivery/v1/relay_service_pb.ts";
import { png, pngChunk } from "@hil/platform/pictures/testing/sample-pictures.ts";
import type { Fault } from "../fake-wecom/fake-wecom.ts";

export const FOLDER = join(import.meta.dirname, "recorded");
const PATIENCE_MS = 20_000;
const LOOK_MS = 5;

export type Side = "relay" | "server";

/** How all that was asked ended. */
export interface Outcome {
  /** By id: the state, and how each try ended, as in hil.delivery.v1. */
  readonly deliveries: Readonly<Record<string, { readonly state: number; readonly attempts: number[] }>>;
  /** The ids of what the callback service has, in its order. */
  readonly inbounds: readonly string[];
  /** What people saw: the chat and the kind of message. */
  readonly shown: readonly (readonly [string, string])[];
}

export type RecordedEvent =
  /** The relay opens a stream. */
  | { readonly event: "open" }
  /** In base64. `says`: for who reads the file. */
  | { readonly event: "message"; readonly from: Side; readonly says: string; readonly bytes: string }
  /** A side ends its half in good order. */
  | { readonly event: "end"; readonly from: Side }
  /** The connection is lost, with what was said last and is not in the recording. */
  | { readonly event: "cut" }
  /** A session is brought to a chat, with pictures of about that size. */
  | {
      readonly event: "ask";
      readonly sessionId: string;
      readonly chatId: string;
      readonly pictureBytes: readonly number[];
    }
  | { readonly event: "notice"; readonly noticeId: string; readonly chatId: string }
  /** An operator drains the relay. */
  | { readonly event: "drain" }
  /** What the vendor does to the next call. */
  | { readonly event: "vendor"; readonly fault: Fault }
  /** The vendor was called so often by now. */
  | { readonly event: "called"; readonly times: number }
  /** A person writes, and the vendor has the relay's yes. */
  | { readonly event: "write"; readonly msgid: string; readonly chatId: string; readonly text: string }
  /** The relay is told to stop. */
  | { readonly event: "stop" }
  /** It has stopped, and is started again on the same disk. */
  | { readonly event: "start" }
  | ({ readonly event: "outcome" } & Outcome);

/** The names of all that are kept. */
export function recordings(): string[] {
  return readdirSync(FOLDER).sort();
}

export function readRecording(name: string): RecordedEvent[] {
  const lines = readFileSync(join(FOLDER, name), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as RecordedEvent);
}

/** What a side says in one message. */
export type Said = AttachRequest | AttachResponse;

export function saidBy(side: Side, bytes: Uint8Array): Said {
  return side === "relay" ? fromBinary(AttachRequestSchema, bytes) : fromBinary(AttachResponseSchema, bytes);
}

/** What a side says, as the bytes that say it. */
export function bytesOf(said: Said): Buffer {
  return Buffer.from(
    said.$typeName === AttachRequestSchema.typeName
      ? toBinary(AttachRequestSchema, said as AttachRequest)
      : toBinary(AttachResponseSchema, said as AttachResponse),
  );
}

/** A message of the recording, read. */
export function recordedSaid({ from, bytes }: { from: Side; bytes: string }): Said {
  return saidBy(from, Buffer.from(bytes, "base64"));
}

/** A frame of either side. */
export type Frame = RelayFrame | ServerFrame;

export function framesOf({ message }: Said): readonly Frame[] {
  return message.case === "frames" ? message.value.frames : [];
}

/** A picture of a little more than so many bytes. */
export function pictureOf(bytes: number): Buffer {
  return png(2, 2, [pngChunk("tEXt", Buffer.concat([Buffer.from("a\0"), Buffer.alloc(bytes, "hil")]))]);
}

/** Resolves when it is so. */
export async function until(look: () => unknown, words: () => string): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!(await look())) {
    if (performance.now() > endMs) throw new Error(`within ${PATIENCE_MS / 1000} s not so: ${words()}`);
    await pause(LOOK_MS);
  }
}
