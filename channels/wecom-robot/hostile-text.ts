// What askers write is shown to people under our name, so it must not pass for something of ours.
//
// H1. It cannot start a tag: "[#1f0c9ab2 demo]" becomes "［#1f0c9ab2 demo]" with a full-width bracket, wherever it
//     stands. A reply that quotes the message is matched by its one real tag.
// H2. It cannot mention anybody: "<@all>" becomes "＜@all>". Mentions come from audience.mentions only.
// H3. It cannot end the quotation early: six and more hyphens become dashes, because a client puts a line of six
//     hyphens between what a person quotes and what the person says.
// H4. It carries no invisible characters that could take part in any of these, or turn the order of the text.
//
// All of it stays readable, and a person sees that something was changed.

const LINE_BREAKS = /\r\n?|[\u2028\u2029\u0085\u000b\u000c]/g;
/** Control characters but tab and newline, zero-width spaces, direction marks. Joiners stay: emoji and scripts need them. */
const INVISIBLE =
  /[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;
const TAG_START = /\[(?=[\s\p{Cf}]*#)/gu;
const MENTION_START = /<(?=[\s\p{Cf}]*@)/gu;
const QUOTATION_END = /-{6,}/g;

/** Text of an asker, safe to show. */
export function defused(text: string): string {
  return text
    .toWellFormed()
    .replace(LINE_BREAKS, "\n")
    .replace(INVISIBLE, "")
    .replace(TAG_START, "［")
    .replace(MENTION_START, "＜")
    .replace(QUOTATION_END, (run) => "–".repeat(run.length));
}

/** The same for something that stands in one line: "\n" becomes a space. */
export function defusedLine(text: string): string {
  return defused(text).replace(/\s*\n\s*/g, " ");
}
