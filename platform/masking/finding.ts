/** A stretch of a text that is not shown, and what stands in its place. */
export interface Finding {
  readonly start: number;
  readonly end: number;
  /** "[masked: API key]" */
  readonly placeholder: string;
}

/** Finds what must not be shown. Takes time in proportion to the text. */
export type Finder = (text: string) => Finding[];

export function placeholderOf(what: string): string {
  return `[masked: ${what}]`;
}

/** How far characters of a kind go on from a place. */
export function endOfRun(text: string, start: number, isPart: (code: number) => boolean): number {
  let end = start;
  while (end < text.length && isPart(text.charCodeAt(end))) end += 1;
  return end;
}

export function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

export function isLetter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

/** Letters, digits, "_" and "-". */
export function isTokenCharacter(code: number): boolean {
  return isLetter(code) || isDigit(code) || code === 0x5f || code === 0x2d;
}
