/** Most messages of one text; what is beyond them is left out, and the last one says so. */
const MOST_PARTS = 99;
/** The place of "(99/99)" and the space before it. */
const MARK_BYTES = 8;
/** A break between lines or words is taken when at least this share of the message is filled by then. */
const WORTH_BREAKING = 0.7;

export interface SplitText {
  /** The first line of every message. Empty: none. */
  readonly header: string;
  readonly content: string;
  /** The last lines of the last message. Empty: none. */
  readonly closing: string;
  /** Most bytes of one message in UTF-8. */
  readonly maxBytes: number;
  /** What the last message says in place of content that did not fit into 99 of them. */
  readonly cutNotice: string;
}

/**
 * The messages that carry a text. One that fits is one message; otherwise each starts with the header and "(n/N)",
 * and the contents of all, put together, are the content again. No message ends inside a code point.
 *
 * Throws a RangeError when `maxBytes` leaves no room for content beside header and closing.
 */
export function splitText({ header, content, closing, maxBytes, cutNotice }: SplitText): string[] {
  const tail = closing === "" ? "" : `\n${closing}`;
  const whole = `${header === "" ? "" : `${header}\n`}${content}${tail}`;
  if (byteLength(whole) <= maxBytes) return [whole];

  const room = maxBytes - byteLength(header) - MARK_BYTES - 1;
  const lastRoom = room - byteLength(tail);
  if (lastRoom - byteLength(cutNotice) - 1 < 4) {
    throw new RangeError(`a message of ${maxBytes} bytes has no room for text; allow at least 512`);
  }
  const chunks: string[] = [];
  let rest = content;
  while (rest !== "") {
    if (byteLength(rest) <= lastRoom) {
      chunks.push(rest);
      break;
    }
    if (chunks.length === MOST_PARTS - 1) {
      chunks.push(`${takeBytes(rest, lastRoom - byteLength(cutNotice) - 1)}\n${cutNotice}`);
      break;
    }
    // The end must leave something for the message that carries the closing.
    const chunk = takeChunk(rest, Math.min(room, byteLength(rest) - 1));
    chunks.push(chunk);
    rest = rest.slice(chunk.length);
  }
  return chunks.map((chunk, index) => {
    const mark = `(${index + 1}/${chunks.length})`;
    const head = header === "" ? mark : `${header} ${mark}`;
    return `${head}\n${chunk}${index === chunks.length - 1 ? tail : ""}`;
  });
}

/** The longest start of `text` that fits into `maxBytes`, at best to the end of a line or word. Never empty. */
function takeChunk(text: string, maxBytes: number): string {
  const most = takeBytes(text, maxBytes);
  if (most === "") return String.fromCodePoint(text.codePointAt(0)!);
  const least = most.length * WORTH_BREAKING;
  for (const stop of ["\n", "。", " "]) {
    const end = most.lastIndexOf(stop) + 1;
    if (end >= least) return most.slice(0, end);
  }
  return most;
}

/** The longest start of `text` that is at most `maxBytes` in UTF-8 and ends between code points. */
export function takeBytes(text: string, maxBytes: number): string {
  let bytes = 0;
  let end = 0;
  while (end < text.length) {
    const point = text.codePointAt(end)!;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (bytes > maxBytes) break;
    end += point < 0x10000 ? 1 : 2;
  }
  return text.slice(0, end);
}

export function byteLength(text: string): number {
  return Buffer.byteLength(text, "utf8");
}
