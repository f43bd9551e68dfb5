// What the robot's vendor writes into the text itself: the quoted message, and the mention of the robot.

const OPENING = /^\s*[“”]/;
/** A line of six or more hyphens. */
const SEPARATOR = /^[ \t]*-{6,}[ \t]*$/gm;
const CLOSING = new Set(["“", "”", '"']);
const MENTION = /^\s*@\S+\s+/u;

/**
 * Parts a text into what it quotes and what the person wrote below. A text that does not begin with a curly
 * quote, or has no line of hyphens, quotes nothing.
 *
 * A leading "@name " is cut from both, up to the first space: a name with a space leaves a rest, and "@name"
 * alone stays.
 */
export function splitQuotation(content: string): { quotedText: string; text: string } {
  const lines = content.replaceAll("\r\n", "\n");
  if (!OPENING.test(lines)) return { quotedText: "", text: cutMention(lines) };
  const separators = [...lines.matchAll(SEPARATOR)];
  // The quotation ends with a closing quote just above its separator; a line of hyphens inside the quoted
  // message has none, and must not end it early.
  const end = separators.find((each) => isClosed(lines.slice(0, each.index))) ?? separators[0];
  if (!end) return { quotedText: "", text: cutMention(lines) };
  const quoted = lines.slice(0, end.index).replace(OPENING, "").trimEnd();
  return {
    quotedText: cutMention(isClosed(quoted) ? quoted.slice(0, -1) : quoted),
    text: cutMention(lines.slice(end.index + end[0].length)),
  };
}

/** Cuts a leading "@name ". WeCom ends a mention with U+2005 or a plain space; both are spaces here. */
export function cutMention(text: string): string {
  return text.replace(MENTION, "").trim();
}

function isClosed(quotation: string): boolean {
  return CLOSING.has(quotation.trimEnd().at(-1) ?? "");
}
