// A tenant's own rules, in RE2 syntax: no pattern can take longer than in proportion to the text.
//
// Finding every place takes a search for each, and with "*" or "+" a search may run to the end of the text before it
// gives up. So the searches for one text share a budget; where it ends, the rest of the text is not shown: a rule that
// was not applied must not let through what it was made for.

import type { Masking_Rule } from "@hil/gen/hil/access/v1/access_pb.ts";
import { RE2JS } from "re2js";
import type { Finding } from "./finding.ts";

/** The largest program that a pattern may become; "[a-z]{1,1000}" is about 2000. */
const MOST_INSTRUCTIONS = 2_500;
/** Characters that the searches for one text may read, at least. */
const LEAST_BUDGET = 2_000_000;
const UNBOUNDED = /[*+]|\{\d*,\}/;

export interface CompiledRule {
  /** What stands in place of what it finds: "[employee number]". */
  readonly placeholder: string;
  readonly pattern: RE2JS;
  /** How far beyond a place a search may have read. Undefined: to the end of the text. */
  readonly reach: number | undefined;
}

/** Why a rule cannot be taken, in words. Undefined: it can. */
export function ruleProblem({ name, pattern }: Pick<Masking_Rule, "name" | "pattern">): string | undefined {
  if (/[[\]\n\r]/.test(name)) return `the name ${JSON.stringify(name)} must be one line without brackets`;
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    const said =
      error instanceof Error ? error.message.replace(/^error parsing regexp: /, "") : "not a pattern";
    return `the pattern of ${JSON.stringify(name)} is not in RE2 syntax: ${said}`;
  }
  if (compiled.test(""))
    return `the pattern of ${JSON.stringify(name)} finds the empty text; say what must be there`;
  if (compiled.programSize() > MOST_INSTRUCTIONS) {
    return `the pattern of ${JSON.stringify(name)} is too large; repeat less`;
  }
  return undefined;
}

export function compileRules(rules: readonly Pick<Masking_Rule, "name" | "pattern">[]): CompiledRule[] {
  return rules.map(({ name, pattern: text }) => {
    const pattern = RE2JS.compile(text);
    // Each instruction reads one character at most once, where nothing is repeated without a bound.
    const reach = UNBOUNDED.test(text) ? undefined : pattern.programSize();
    return { placeholder: `[${name}]`, pattern, reach };
  });
}

export function findByRules(text: string, rules: readonly CompiledRule[]): Finding[] {
  const findings: Finding[] = [];
  let budget = Math.max(LEAST_BUDGET, 2 * rules.length * text.length);
  for (const { pattern, placeholder, reach } of rules) {
    const matcher = pattern.matcher(text);
    let at = 0;
    while (matcher.find()) {
      const [start, end] = [matcher.start(), matcher.end()];
      if (end > start) findings.push({ start, end, placeholder });
      budget -= reach === undefined ? text.length - at : end - at + reach;
      at = end;
      if (budget > 0) continue;
      findings.push({ start: end, end: text.length, placeholder });
      break;
    }
  }
  return findings;
}
