// The tag of a session in what a person sent. Messages start with "[#short_id project_name]".
//
// A tag counts where the person cannot help but mean it: in what they quoted, or at the very start of what they
// typed. Anywhere else in a reply it is part of the answer.

/**
 * Which session a message names.
 *
 *   none    - it names none.
 *   one     - it names this one; `text` is the reply without a typed tag.
 *   several - it names several and does not say which is meant: whoever quotes a list of questions does that.
 */
export type Tag =
  | { readonly kind: "none" }
  | { readonly kind: "one"; readonly shortId: string; readonly text: string }
  | { readonly kind: "several" };

const QUOTED = /\[#([0-9a-f]{8})(?: [^\]\r\n]*)?\]/g;
/** The tag as a question's first words, after the sender's name at most. */
const LEADING = /^[\s“”"]*(?:[^\n[\]]{1,100}[:：]\s*)?\[#([0-9a-f]{8})(?: [^\]\r\n]*)?\]/;
/** "#abc12345 …" or the whole tag. Keyboards of telephones write a capital first, those of Chinese a wide "＃". */
const TYPED =
  /^\s*(?:\[[#＃]([0-9a-f]{8})(?: [^\]\r\n]*)?\]|[#＃]([0-9a-f]{8})(?![\p{L}\p{N}_]))[\s:：,，、]*/iu;
/** Ends the quoted part, where the vendor left the reply below it. */
const SEPARATOR = "------";

/** Reads the tag of a message. */
export function readTag({ quotedText, text }: { quotedText: string; text: string }): Tag {
  const quoted = quotedTag(quotedText);
  const typed = TYPED.exec(text);
  if (!typed) return quoted.kind === "one" ? { ...quoted, text } : quoted;
  const shortId = (typed[1] ?? typed[2])!.toLowerCase();
  // Quoting one question and naming another says two things at once.
  if (quoted.kind === "one" && quoted.shortId !== shortId) return { kind: "several" };
  return { kind: "one", shortId, text: text.slice(typed[0].length).trim() };
}

function quotedTag(
  quotedText: string,
): { kind: "none" } | { kind: "one"; shortId: string } | { kind: "several" } {
  const quoted = quotedText.split(SEPARATOR, 1)[0]!;
  // A question may speak of other questions; its own tag leads.
  const leading = LEADING.exec(quoted)?.[1];
  if (leading) return { kind: "one", shortId: leading };
  const shortIds = new Set([...quoted.matchAll(QUOTED)].map((match) => match[1]!));
  const [only] = shortIds;
  if (only === undefined) return { kind: "none" };
  return shortIds.size === 1 ? { kind: "one", shortId: only } : { kind: "several" };
}
