// Mobile numbers of mainland China, with or without the country's code, and numbers in international form.

import { type Finder, type Finding, placeholderOf } from "./finding.ts";

const PHONE_NUMBER = placeholderOf("phone number");

/** Not inside a word or a longer number, and not an order number: "#13812345678", "ORD-13812345678". */
const BEFORE = "(?<![A-Za-z0-9_#+]|[0-9][.,-]|[A-Z][-.])";
/** Not the start of a longer number, a word or a decimal. */
const AFTER = "(?![A-Za-z0-9_]|[.,-][0-9])";

const CHINA = new RegExp(
  `${BEFORE}(?:(?:\\+|00)?86[ -]{0,2}|\\((?:\\+|00)?86\\)[ ]?)?1[3-9][0-9](?:[0-9]{8}|[ -][0-9]{4}[ -][0-9]{4}|[ -][0-9]{8}|[0-9]{4}[ -][0-9]{4})${AFTER}`,
  "g",
);
/** In one piece, or with the country's code by itself. The first group of a date in a diff ("+2026-11-21") has four digits. */
const INTERNATIONAL = new RegExp(
  `(?<![A-Za-z0-9_])\\+(?:[1-9][0-9]{8,14}|[1-9][0-9]{0,2}(?:[ .-]|[ .-]?\\([0-9]{1,4}\\)[ .-]?)[0-9]{1,11}(?:[ .-][0-9]{1,8}){0,5})${AFTER}`,
  "g",
);
const LEAST_DIGITS = 9;
const MOST_DIGITS = 15;

export const findPhoneNumbers: Finder = (text) => {
  const findings: Finding[] = [];
  for (const match of text.matchAll(CHINA)) findings.push(findingOf(match));
  for (const match of text.matchAll(INTERNATIONAL)) {
    const digits = match[0].replace(/[^0-9]/g, "").length;
    if (digits >= LEAST_DIGITS && digits <= MOST_DIGITS) findings.push(findingOf(match));
  }
  return findings;
};

function findingOf(match: RegExpExecArray): Finding {
  return { start: match.index, end: match.index + match[0].length, placeholder: PHONE_NUMBER };
}
