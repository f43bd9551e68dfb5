/**
 * Makes words of people and agents safe to stand inside a message of ours: one line of at most `maxChars`
 * characters (and "…" where more follow) that mentions nobody, links nowhere, formats nothing and looks like no
 * tag. Characters that could are replaced by wide ones that look alike, since not every client that shows
 * Markdown knows a backslash.
 */
export function plainWords(words: string, maxChars: number): string {
  const line = words
    .toWellFormed()
    .replace(/[\s\p{Cc}]+/gu, " ")
    .replace(/\p{Cf}/gu, "") // invisible marks, and those that turn the direction of writing
    .trim();
  const chars = [...line];
  const shown = chars.length > maxChars ? `${chars.slice(0, maxChars).join("").trimEnd()}…` : line;
  return shown
    .replace(/[<>[\]@#*_~|\\&!]/g, (char) => String.fromCharCode(char.charCodeAt(0) + 0xfee0))
    .replaceAll("`", "'")
    .replace(/:(?=\/\/)/g, "：")
    .replace(/(?<=[\p{L}\p{N}])\.(?=\p{L}{2})/gu, "．"); // clients link bare names such as evil.example
}
