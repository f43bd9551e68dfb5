const MAX_BYTES = 200;
/** Slashes and backslashes, and those that look like one. */
const SEPARATORS = /[/\\\u2044\u2215\u2216\u29f5\u29f8\u29f9\uff0f\uff3c]/g;
/** Control characters, line separators, what turns the direction of text ("gnp.exe"), and what cannot be seen. */
const UNSEEN = /[\p{Cc}\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/gu;

/**
 * The name of a file as it is kept and shown; never used as a path. One form for each name (NFC), no separators, at
 * most 200 bytes; a long one keeps its ending. May be empty.
 */
export function toFileName(given: string): string {
  const name = given.toWellFormed().replace(UNSEEN, "").replace(SEPARATORS, "_").normalize("NFC").trim();
  if (Buffer.byteLength(name) <= MAX_BYTES) return name;
  const ending = /[.][a-z0-9]{1,10}$/i.exec(name)?.[0] ?? "";
  return cut(name.slice(0, name.length - ending.length), MAX_BYTES - ending.length) + ending;
}

/** Cuts between characters. */
function cut(text: string, bytes: number): string {
  let kept = "";
  let size = 0;
  for (const character of text) {
    size += Buffer.byteLength(character);
    if (size > bytes) break;
    kept += character;
  }
  return kept;
}
