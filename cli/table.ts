// Columns for a terminal, where a Chinese character is as wide as two Latin ones.

const segmenter = new Intl.Segmenter();
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** How many columns a text takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

/** A text cut to so many columns, with "…" where something is missing. */
export function fit(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = "";
  let width = 0;
  for (const { segment } of segmenter.segment(text)) {
    const next = WIDE.test(segment) ? 2 : 1;
    if (width + next > columns - 1) break;
    kept += segment;
    width += next;
  }
  return `${kept}…`;
}

/**
 * Lines with each column as wide as its widest cell. The column numbered `flexible` gives way where the lines
 * would be wider than `columns`; undefined: nothing is cut.
 */
export function tableLines(
  rows: readonly (readonly string[])[],
  { columns, flexible }: { columns: number | undefined; flexible: number },
): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, at) =>
    Math.max(...rows.map((row) => widthOf(row[at] ?? ""))),
  );
  const total = widths.reduce((sum, width) => sum + width, 2 * (count - 1));
  if (columns !== undefined && total > columns) {
    widths[flexible] = Math.max(10, (widths[flexible] ?? 0) - (total - columns));
  }
  return rows.map((row) =>
    row
      .map((cell, at) => {
        const shown = fit(cell, widths[at] ?? 0);
        return shown + " ".repeat(Math.max(0, (widths[at] ?? 0) - widthOf(shown)));
      })
      .join("  ")
      .trimEnd(),
  );
}

/**
 * A text as one safe line: what agents and people wrote must not move the cursor or colour the terminal.
 */
export function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, " ").trim();
}

/** A text without control characters, but with its line breaks and tabs. */
export function printable(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "");
}
