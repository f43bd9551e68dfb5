// Messages of the contracts as JSON for scripts, by the contract's own field names.

import { type DescMessage, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";

/** A message over several lines. */
export function prettyJson<D extends DescMessage>(desc: D, message: MessageShape<D>): string {
  return JSON.stringify(contractJson(desc, message), undefined, 2);
}

/** A message on one line, for lists. */
export function jsonLine<D extends DescMessage>(desc: D, message: MessageShape<D>): string {
  return JSON.stringify(contractJson(desc, message));
}

/** A message as a part of something larger. */
export function contractJson<D extends DescMessage>(desc: D, message: MessageShape<D>): JsonValue {
  return toJson(desc, message, { useProtoFieldName: true });
}
