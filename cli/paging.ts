/** The most that any list gives on one page. */
export const PAGE_SIZE = 200;

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken: string;
}

/** Reads a list page by page. Stops asking when the reader stops. */
export async function* pages<T>(
  load: (request: { pageSize: number; pageToken: string }) => Promise<Page<T>>,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<T> {
  let left = limit;
  let pageToken = "";
  do {
    const page = await load({ pageSize: Math.min(PAGE_SIZE, left), pageToken });
    yield* page.items.slice(0, left);
    left -= page.items.length;
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && left > 0);
}

/** All that a list gives. */
export async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
