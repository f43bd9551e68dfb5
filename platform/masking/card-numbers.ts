// Numbers of payment cards: in one piece or grouped as they are printed, of a range that an issuer has, and right by
// Luhn's check. Without the range every tenth order number would pass for one.

import { type Finder, type Finding, placeholderOf } from "./finding.ts";

const CARD_NUMBER = placeholderOf("card number");

/** Groups of digits with one separator between, not inside a word, a version or a longer number. */
const RUN =
  /(?<![A-Za-z0-9_]|[A-Za-z0-9_][-.])[0-9]{4,19}(?:[ \u00a0.\u2010-\u2015-][0-9]{1,13}){0,40}(?![A-Za-z0-9_])/g;
const GROUPINGS = new Set([
  "4-4-4-4",
  "4-4-4-4-3",
  "4-4-4-4-2",
  "4-4-4-1",
  "4-4-5",
  "4-6-5",
  "4-6-4",
  "6-13",
  "6-10",
  "8-8",
]);
const MOST_GROUPS = 5;

/** Which lengths each range has, by the number's first digits. */
const RANGES: readonly { from: number; to: number; lengths: readonly number[] }[] = [
  { from: 4, to: 4, lengths: [13, 16, 19] }, // Visa
  { from: 51, to: 55, lengths: [16] }, // Mastercard
  { from: 2221, to: 2720, lengths: [16] },
  { from: 34, to: 34, lengths: [15] }, // American Express
  { from: 37, to: 37, lengths: [15] },
  { from: 62, to: 62, lengths: [16, 17, 18, 19] }, // UnionPay
  { from: 81, to: 81, lengths: [16, 17, 18, 19] },
  { from: 6011, to: 6011, lengths: [16, 19] }, // Discover
  { from: 644, to: 649, lengths: [16, 19] },
  { from: 65, to: 65, lengths: [16, 19] },
  { from: 3528, to: 3589, lengths: [16, 19] }, // JCB
  { from: 300, to: 305, lengths: [14, 16, 19] }, // Diners Club
  { from: 3095, to: 3095, lengths: [14, 16, 19] },
  { from: 36, to: 36, lengths: [14, 16, 19] },
  { from: 38, to: 39, lengths: [14, 16, 19] },
  { from: 2200, to: 2204, lengths: [16, 19] }, // Mir
];

export const findCardNumbers: Finder = (text) => {
  const findings: Finding[] = [];
  for (const match of text.matchAll(RUN)) {
    const groups = [...match[0].matchAll(/[0-9]+/g)].map((group) => ({
      digits: group[0],
      start: match.index + group.index,
      end: match.index + group.index + group[0].length,
    }));
    for (let first = 0; first < groups.length; first += 1) {
      // The longest first: "4111 1111 1111 1111 110" is one of 19 digits before it is one of 16.
      for (let count = Math.min(MOST_GROUPS, groups.length - first); count > 0; count -= 1) {
        const taken = groups.slice(first, first + count);
        const grouping = taken.map(({ digits }) => digits.length).join("-");
        if (count > 1 && !GROUPINGS.has(grouping)) continue;
        if (!isCardNumber(taken.map(({ digits }) => digits).join(""))) continue;
        findings.push({ start: taken[0]!.start, end: taken.at(-1)!.end, placeholder: CARD_NUMBER });
        first += count - 1;
        break;
      }
    }
  }
  return findings;
};

function isCardNumber(digits: string): boolean {
  const inRange = RANGES.some(({ from, to, lengths }) => {
    const prefix = Number(digits.slice(0, `${from}`.length));
    return prefix >= from && prefix <= to && lengths.includes(digits.length);
  });
  return inRange && passesLuhn(digits);
}

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 0x30;
    const value = index % 2 === 0 ? digit : digit * 2;
    sum += value > 9 ? value - 9 : value;
  }
  return sum % 10 === 0;
}
