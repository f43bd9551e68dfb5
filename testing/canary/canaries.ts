// Secrets that are made to be looked for: each is random, so that wherever it is found it has leaked.

import { randomBytes } from "node:crypto";

const SHORTEST_BASE64 = 12;

/** Where a canary was found. */
export interface Sighting {
  readonly canary: string;
  readonly where: string;
}

export class Canaries {
  /** By value, what it is. */
  readonly #names = new Map<string, string>();

  get size(): number {
    return this.#names.size;
  }

  /** Makes one. `form` puts the random part into the shape of a secret; all of the shape is secret then. */
  make(name: string, form: (random: string) => string = (random) => random): string {
    return this.add(name, form(`Cnry${randomBytes(18).toString("hex")}`));
  }

  /** Takes one that somebody else made. */
  add(name: string, value: string): string {
    this.#names.set(value, `${name} #${this.#names.size + 1}`);
    return value;
  }

  /** Those of the canaries that stand in a text, as they are or in a usual encoding. */
  sightings(text: string, where: string, of: (name: string) => boolean = () => true): Sighting[] {
    const found: Sighting[] = [];
    for (const [value, name] of this.#names) {
      if (of(name) && forms(value).some((form) => text.includes(form))) found.push({ canary: name, where });
    }
    return found;
  }
}

const remembered = new Map<string, readonly string[]>();

/** A value as it may stand in a text: plain, percent-encoded, in hex, and within base64 at any of its three offsets. */
function forms(value: string): readonly string[] {
  let known = remembered.get(value);
  if (!known) {
    const bytes = Buffer.from(value);
    const base64 = [0, 1, 2].map((offset) => {
      const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
      // The first and the last digits are shared with what stands around it.
      return text.slice(Math.ceil((offset * 4) / 3), Math.floor(((bytes.length + offset) * 4) / 3) - 1);
    });
    const longEnough = base64.filter((text) => text.length >= SHORTEST_BASE64);
    known = [
      value,
      encodeURIComponent(value),
      JSON.stringify(value).slice(1, -1),
      bytes.toString("hex"),
      ...longEnough,
      ...longEnough.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
    ];
    remembered.set(value, known);
  }
  return known;
}
