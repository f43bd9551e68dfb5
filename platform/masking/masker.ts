// Takes secrets out of what goes to a channel.
//
// M1. What is found is replaced by a word for it, "[masked: API key]", and the rest stays as it is, so that the message
//     can be read and answered.
// M2. Masking twice is masking once: what stands in a placeholder is left alone, and a text is looked through until
//     nothing more is found.
// M3. The time is in proportion to the text: patterns of ours have bounds for every repetition, those of tenants are
//     RE2 with a budget.
// M4. It looks at what people will see: invisible characters, which channels drop, do not hide a secret.

import type { Masking } from "@hil/gen/hil/access/v1/access_pb.ts";
import { Masking_Kind } from "@hil/gen/hil/access/v1/access_pb.ts";
import { findAssignments } from "./assignments.ts";
import { findCardNumbers } from "./card-numbers.ts";
import type { Finder, Finding } from "./finding.ts";
import { findPhoneNumbers } from "./phone-numbers.ts";
import { findPrivateKeys } from "./private-keys.ts";
import { compileRules, findByRules, ruleProblem } from "./rules.ts";
import { findTokens } from "./tokens.ts";

export type Masker = (text: string) => string;

/** In the order in which the word for a secret is chosen that several find. */
const FINDERS: readonly { kind: Masking_Kind; find: Finder }[] = [
  { kind: Masking_Kind.PRIVATE_KEY, find: findPrivateKeys },
  { kind: Masking_Kind.CREDENTIAL, find: findTokens },
  { kind: Masking_Kind.CREDENTIAL, find: findAssignments },
  { kind: Masking_Kind.CARD_NUMBER, find: findCardNumbers },
  { kind: Masking_Kind.PHONE_NUMBER, find: findPhoneNumbers },
];
/** Taking one thing out may show another beside it; after so many passes nothing was ever left. */
const MOST_PASSES = 5;

const OURS = "\\[masked: [A-Za-z ]{1,40}\\]";
/** What channels do not show (channels/wecom-robot/hostile-text.ts), and joiners. */
const INVISIBLE =
  /[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;

/** Why a masking cannot be taken, in words. Undefined: it can. */
export function checkMasking(masking: Masking | undefined): string | undefined {
  for (const rule of masking?.rules ?? []) {
    const problem = ruleProblem(rule);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** What masks texts as a tenant wishes. Unset: everything that HIL finds by itself. `masking` was checked. */
export function createMasker(masking: Masking | undefined): Masker {
  const disabled = new Set(masking?.disabledKinds ?? []);
  const finders = FINDERS.filter(({ kind }) => !disabled.has(kind)).map(({ find }) => find);
  const rules = compileRules(masking?.rules ?? []);
  const placeholders = new RegExp(
    [OURS, ...rules.map(({ placeholder }) => escaped(placeholder))].join("|"),
    "g",
  );
  const find = (text: string): Finding[] => [
    ...finders.flatMap((finder) => finder(text)),
    ...findByRules(text, rules),
  ];
  const mask = (text: string): string => {
    let masked = text;
    for (let pass = 0; pass < MOST_PASSES; pass += 1) {
      const findings = find(masked);
      if (findings.length === 0) break;
      const next = replace(masked, findings, placesOf(masked, placeholders));
      if (next === masked) break;
      masked = next;
    }
    return masked;
  };
  return (text) => {
    const masked = mask(text);
    const visible = masked.replace(INVISIBLE, "");
    if (visible.length === masked.length) return masked;
    // Joiners belong to emoji and scripts: where they hide nothing, they stay.
    const seen = mask(visible);
    return seen === visible ? masked : seen;
  };
}

interface Place {
  readonly start: number;
  readonly end: number;
}

function placesOf(text: string, pattern: RegExp): Place[] {
  return [...text.matchAll(pattern)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
  }));
}

/** The text with its findings replaced, but for what stands in `kept`. */
function replace(text: string, findings: readonly Finding[], kept: readonly Place[]): string {
  let result = "";
  let at = 0;
  let next = 0;
  for (const { start, end, placeholder } of joined(findings)) {
    for (let from = start; from < end; ) {
      while (next < kept.length && kept[next]!.end <= from) next += 1;
      const place = kept[next];
      const to = Math.min(end, place?.start ?? end);
      if (to > from) {
        result += text.slice(at, from) + placeholder;
        at = to;
      }
      from = place && place.start < end ? Math.max(to, place.end) : end;
    }
  }
  return result + text.slice(at);
}

/** Findings in order, those that overlap as one, by the name of the first. */
function joined(findings: readonly Finding[]): Finding[] {
  // The sort is stable: of findings that start at the same place the first finder's comes first.
  const ordered = [...findings].sort((one, other) => one.start - other.start);
  const result: Finding[] = [];
  for (const finding of ordered) {
    const last = result.at(-1);
    if (!last || finding.start >= last.end) result.push(finding);
    else if (finding.end > last.end) result[result.length - 1] = { ...last, end: finding.end };
  }
  return result;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
