import { type Finder, type Finding, placeholderOf } from "./finding.ts";

const PRIVATE_KEY = placeholderOf("private key");
const BEGIN = /-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----/g;
const END = /-----END (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----/g;

/** Private keys in PEM form, with their frame. One that has no end goes on to the end of the text. */
export const findPrivateKeys: Finder = (text) => {
  const findings: Finding[] = [];
  const ends = [...text.matchAll(END)].map((match) => match.index + match[0].length);
  let next = 0;
  let after = 0;
  for (const { index: start } of text.matchAll(BEGIN)) {
    if (start < after) continue;
    while (next < ends.length && ends[next]! <= start) next += 1;
    after = ends[next] ?? text.length;
    findings.push({ start, end: after, placeholder: PRIVATE_KEY });
  }
  return findings;
};
