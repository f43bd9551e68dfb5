// Finds what else a file is besides a picture. Each sign is long enough, or checked further, so that pixels do not
// make it by chance: less than once in a million pictures.

const METHODS = new Set([0, 8, 9, 12, 14, 93, 95, 98, 99]);

/** Another file format that starts, or has its directory, anywhere in the bytes; in words for a person. */
export function hiddenFormat(bytes: Uint8Array): string | undefined {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (hasZip(data)) return "an archive";
  if (data.includes("Rar!\x1a\x07", 0, "latin1")) return "an archive";
  if (data.includes("7z\xbc\xaf\x27\x1c", 0, "latin1")) return "an archive";
  if (data.includes("%PDF-", 0, "latin1")) return "a document";
  return undefined;
}

/** A page or a script in what is not pixels; in words for a person. */
export function hiddenPage(notes: readonly Uint8Array[]): string | undefined {
  for (const note of notes) {
    const data = Buffer.from(note.buffer, note.byteOffset, note.length);
    for (const text of [
      data.toString("latin1"),
      data.toString("utf16le"),
      data.subarray(1).toString("utf16le"),
    ]) {
      if (/<(script|html|svg|iframe|body|object|embed|!doctype html|[?]php)\b/i.test(text))
        return "a web page or script";
    }
  }
  return undefined;
}

/** A zip is read from the directory at its end, or by unpacking one file after the other. */
function hasZip(data: Buffer): boolean {
  for (
    let at = data.indexOf("PK\x05\x06", 0, "latin1");
    at >= 0;
    at = data.indexOf("PK\x05\x06", at + 1, "latin1")
  ) {
    if (at + 22 <= data.length && data.readUInt16LE(at + 4) === 0 && data.readUInt16LE(at + 6) === 0)
      return true;
  }
  for (
    let at = data.indexOf("PK\x03\x04", 0, "latin1");
    at >= 0;
    at = data.indexOf("PK\x03\x04", at + 1, "latin1")
  ) {
    if (at + 30 > data.length) return false;
    if (data.readUInt16LE(at + 4) < 100 && METHODS.has(data.readUInt16LE(at + 8))) return true;
  }
  return false;
}
