import { pageTokenInvalid } from "./errors.ts";

const DEFAULT_PAGE = 50;

/** Cuts a page off what a list found. `found` has one more than the page where there is a next one. */
export interface Page {
  /** How many to ask the store for. */
  readonly limit: number;
  /** Where the page begins: what `tokenFor` was given for the last of the page before; "" for the first page. */
  readonly after: string;
  cut<T>(found: readonly T[], tokenFor: (last: T) => string): { items: T[]; nextPageToken: string };
}

/** Reads a list's request. `list` names the list, so that a token of another one is refused; `form` is what it holds. */
export function readPage(
  list: string,
  form: RegExp,
  { pageSize, pageToken }: { pageSize: number; pageToken: string },
): Page {
  const size = pageSize || DEFAULT_PAGE;
  let after = "";
  if (pageToken !== "") {
    const text = Buffer.from(pageToken, "base64url").toString("utf8");
    after = text.slice(list.length + 1);
    if (!text.startsWith(`${list}:`) || !form.test(after)) throw pageTokenInvalid(pageToken);
  }
  return {
    limit: size + 1,
    after,
    cut(found, tokenFor) {
      const items = found.slice(0, size);
      const last = items.at(-1);
      const nextPageToken =
        found.length > size && last !== undefined
          ? Buffer.from(`${list}:${tokenFor(last)}`).toString("base64url")
          : "";
      return { items, nextPageToken };
    },
  };
}
