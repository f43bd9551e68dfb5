import type { ImagePart } from "@hil/gen/hil/delivery/v1/relay_pb.ts";

/** Parts whose command does not come are forgotten beyond this, the oldest first. */
const MOST_BYTES = 32 * 1024 * 1024;

/** The pictures of which parts came on a stream, until their commands come. */
export class ImageParts {
  readonly #parts = new Map<string, Uint8Array[]>();
  #bytes = 0;

  add({ commandId, data }: ImagePart): void {
    const parts = this.#parts.get(commandId) ?? [];
    parts.push(data);
    this.#parts.set(commandId, parts);
    this.#bytes += data.length;
    for (const oldest of this.#parts.keys()) {
      if (this.#bytes <= MOST_BYTES) break;
      this.take(oldest);
    }
  }

  /** What came for a command, which is forgotten with that. Undefined: nothing did. */
  take(commandId: string): Uint8Array | undefined {
    const parts = this.#parts.get(commandId);
    if (!parts) return undefined;
    this.#parts.delete(commandId);
    const image = Buffer.concat(parts);
    this.#bytes -= image.length;
    return image;
  }
}
