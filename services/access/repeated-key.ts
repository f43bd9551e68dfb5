/**
 * Whether an object in a JSON text has the same key twice. Readers disagree which of the two counts, so a token that
 * has one may mean one thing to its issuer and another to us. The text must be JSON.
 */
export function hasRepeatedKey(json: string): boolean {
  /** The keys of each object that is open; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let isKeyNext = false;
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case "{":
        open.push(new Set());
        isKeyNext = true;
        break;
      case "[":
        open.push(undefined);
        isKeyNext = false;
        break;
      case "}":
      case "]":
        open.pop();
        isKeyNext = false;
        break;
      case ",":
        isKeyNext = open.at(-1) !== undefined;
        break;
      case '"': {
        const end = endOfString(json, at);
        if (isKeyNext) {
          const keys = open.at(-1)!;
          const key = JSON.parse(json.slice(at, end)) as string;
          if (keys.has(key)) return true;
          keys.add(key);
          isKeyNext = false;
        }
        at = end - 1;
        break;
      }
    }
  }
  return false;
}

/** Where the string that begins at `start` ends, behind its quotation mark. */
function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"' && at < json.length) at += json[at] === "\\" ? 2 : 1;
  return at + 1;
}
