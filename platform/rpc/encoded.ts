// Messages that are on disk in the form in which they go out need not be encoded again.
//
// Encoding a session twice, once for the database and once for the answer, was a third of the server's time per
// call. Whoever reads or writes a message's bytes remembers them beside it; the message must not be changed
// afterwards, which holds for everything that is passed between modules here.

import { create, type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";

const encoded = new WeakMap<Message, Uint8Array>();

/** Remembers the binary form of a message that nobody changes any more. */
export function rememberEncoded<M extends Message>(message: M, bytes: Uint8Array): M {
  encoded.set(message, bytes);
  return message;
}

/** The binary form of a response, from the remembered form of its one field where there is one. */
export function encodeResponse(output: DescMessage, result: Record<string, unknown>): Uint8Array {
  const names = Object.keys(result);
  if (names.length === 1) {
    const field = output.field[names[0]!];
    const value = result[names[0]!];
    const bytes = field?.fieldKind === "message" && encoded.get(value as Message);
    if (bytes) return withTag(field.number, bytes);
  }
  const message = "$typeName" in result ? (result as unknown as Message) : create(output, result);
  return toBinary(output, message);
}

/** A length-delimited field: tag, length, bytes. */
function withTag(number: number, bytes: Uint8Array): Uint8Array {
  const tag = (number << 3) | 2;
  const out = Buffer.allocUnsafe(varintLength(tag) + varintLength(bytes.length) + bytes.length);
  out.set(bytes, writeVarint(out, bytes.length, writeVarint(out, tag, 0)));
  return out;
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest >>>= 7) length += 1;
  return length;
}

/** Returns where it ended. */
function writeVarint(out: Buffer, value: number, start: number): number {
  let at = start;
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at++] = rest;
  return at;
}
