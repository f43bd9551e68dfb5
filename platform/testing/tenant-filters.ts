// Does anybody notice when one tenant filter is missing?
//
// A store tells tenants apart by `tenant_id = …` in its SQL. Here a suite is run once for every such filter, each time
// on a store in which that one lets everything through. A suite that passes then would not have noticed its absence.

import { readFileSync } from "node:fs";
import { Sqlite } from "../storage/sqlite.ts";

const FILTER = /(?:\b\w+\.)?\btenant_id = (?:\?|\w+\.tenant_id)/g;

export interface TenantFilterReport {
  /** How many filters were taken out, one at a time. */
  readonly removed: number;
  /** Those whose absence the suite did not notice: the piece of SQL, with the filter marked. */
  readonly unnoticed: readonly string[];
  /** Filters of the source files that no statement of the suite has. */
  readonly unreached: readonly string[];
  /** Statements of the suite that have no filter at all, but for inserts. They work over all tenants. */
  readonly unfiltered: readonly string[];
}

/** One filter in a source file: the piece of SQL that it stands in, and its number there. */
interface Filter {
  readonly piece: string;
  readonly index: number;
}

/**
 * Runs `suite` once as it is, and once for each tenant filter of the source files without that one. It must open its
 * store anew each time, and throw when two tenants are not told apart. `sources`: the files with the store's SQL.
 */
export async function checkTenantFilters({
  suite,
  sources,
}: {
  suite: () => Promise<void>;
  sources: readonly string[];
}): Promise<TenantFilterReport> {
  const pieces = [...new Set(sources.flatMap(piecesOf))];
  const statements = await recordStatements(suite);
  const reached = new Map<string, Filter>();
  for (const statement of statements) {
    for (const { filter } of filtersOf(statement, pieces)) reached.set(nameOf(filter), filter);
  }
  const unnoticed: string[] = [];
  for (const [name, filter] of reached) {
    if (!(await isNoticed(suite, filter, pieces))) unnoticed.push(name);
  }
  const all = pieces.flatMap((piece) => piece.match(FILTER)!.map((_, index) => nameOf({ piece, index })));
  return {
    removed: reached.size,
    unnoticed,
    unreached: all.filter((name) => !reached.has(name)),
    unfiltered: statements.filter(
      (statement) => /^(?:WITH|SELECT|UPDATE|DELETE)\b/i.test(statement) && !statement.match(FILTER),
    ),
  };
}

async function recordStatements(suite: () => Promise<void>): Promise<string[]> {
  const statements = new Set<string>();
  await withStatements((text) => {
    statements.add(flat(text));
    return text;
  }, suite);
  return [...statements];
}

async function isNoticed(
  suite: () => Promise<void>,
  filter: Filter,
  pieces: readonly string[],
): Promise<boolean> {
  const name = nameOf(filter);
  const rewritten = new Map<string, string>();
  const rewrite = (text: string) => {
    let result = rewritten.get(text);
    if (result === undefined) {
      result = without(flat(text), name, pieces) ?? text;
      rewritten.set(text, result);
    }
    return result;
  };
  try {
    await withStatements(rewrite, suite);
    return false;
  } catch {
    return true;
  }
}

/** The statement without a filter; undefined where it does not have it. */
function without(statement: string, name: string, pieces: readonly string[]): string | undefined {
  const found = filtersOf(statement, pieces).find(({ filter }) => nameOf(filter) === name);
  if (!found) return undefined;
  const { start, end } = found;
  const open = `${statement.slice(0, start)}(${statement.slice(start, end)} OR 1)${statement.slice(end)}`;
  // An index that was asked for by name may not serve the statement any more; it must still run.
  return open.replace(/ INDEXED BY \w+/g, "");
}

/** The filters of a statement, each with the longest piece of the source that it can come from. */
function filtersOf(statement: string, pieces: readonly string[]) {
  return [...statement.matchAll(FILTER)].flatMap((match) => {
    const start = match.index;
    const end = start + match[0].length;
    let best: Filter | undefined;
    for (const piece of pieces) {
      if (best && best.piece.length >= piece.length) continue;
      for (let at = statement.indexOf(piece); at >= 0; at = statement.indexOf(piece, at + 1)) {
        const index = [...piece.matchAll(FILTER)].findIndex((each) => at + each.index === start);
        if (index >= 0) best = { piece, index };
      }
    }
    return best ? [{ filter: best, start, end }] : [];
  });
}

/** Runs with every statement of every database rewritten. */
async function withStatements(rewrite: (text: string) => string, run: () => Promise<void>): Promise<void> {
  const { sql } = Sqlite.prototype;
  Sqlite.prototype.sql = function (this: Sqlite, text: string) {
    return sql.call(this, rewrite(text));
  };
  try {
    await run();
  } finally {
    Sqlite.prototype.sql = sql;
  }
}

function nameOf({ piece, index }: Filter): string {
  let at = 0;
  return piece.replace(FILTER, (filter) => (at++ === index ? `>>> ${filter} <<<` : filter));
}

/** The pieces of SQL in a source file that hold a filter, without quotes and what is put in. */
function piecesOf(path: string): string[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => !/^\s*(?:\/\/|\*|\/\*)/.test(line))
    .flatMap((line) => line.split(/["`]|\$\{[^}]*\}/))
    .filter((piece) => piece.match(FILTER))
    .map(flat);
}

function flat(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
