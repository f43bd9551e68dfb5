// Whether a package runs on the oldest Node that we promise.

/**
 * Whether a range of `engines.node` has a version in it: ">=20", ">=20.18.1", "^20.19.0 || >=22.12.0", "18 || 20". Throws
 * for a form that it does not know, because a guess would be a promise.
 */
export function admitsNode(range: string, version: string): boolean {
  return range.split("||").some((alternative) => {
    const match = /^\s*(>=|\^)?\s*(\d+(?:\.\d+){0,2})\s*$/.exec(alternative);
    if (!match) throw new Error(`"${range}" is a range of Node versions that is not understood`);
    const [, operator, least] = match;
    const [given, from] = [parts(version), parts(least!)];
    const isOfSameMajor = given[0] === from[0];
    return compare(given, from) >= 0 && (operator === ">=" || isOfSameMajor);
  });
}

function parts(version: string): number[] {
  const numbers = version.split(".").map(Number);
  return [...numbers, 0, 0].slice(0, 3);
}

function compare(one: readonly number[], other: readonly number[]): number {
  const index = one.findIndex((part, at) => part !== other[at]);
  return index < 0 ? 0 : one[index]! - other[index]!;
}
