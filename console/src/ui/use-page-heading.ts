import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

let firstPage = true;

/**
 * Moves the focus to a page's heading when the page changes, as a new document would. Not on the first page
 * of all, where the browser's own beginning is right. `key` names the page; undefined while it loads. Where
 * `instead` finds something, that gets the focus: what the person came from.
 */
export function usePageHeading(
  key: string | undefined,
  instead?: () => HTMLElement | undefined,
): RefObject<HTMLHeadingElement> {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (key === undefined) return;
    if (!firstPage) (instead?.() ?? heading.current)?.focus();
    firstPage = false;
  }, [key]);
  return heading;
}
