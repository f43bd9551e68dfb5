import type { Principal } from "@hil/platform/auth/principal.ts";

/** Names a principal among those of all tenants. */
export function ownerOf({ tenantId, id }: Principal): string {
  return JSON.stringify([tenantId, id]);
}

/** How many requests each principal has under way in this process. */
export class OpenRequests {
  readonly #most: number;
  readonly #counts = new Map<string, number>();

  /** `most`: of one principal at a time. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Counts one request; gives what ends it. Undefined: the principal has as many as it may. */
  enter(principal: Principal): (() => void) | undefined {
    const owner = ownerOf(principal);
    const count = this.#counts.get(owner) ?? 0;
    if (count >= this.#most) return undefined;
    this.#counts.set(owner, count + 1);
    return () => {
      const left = this.#counts.get(owner)! - 1;
      if (left === 0) this.#counts.delete(owner);
      else this.#counts.set(owner, left);
    };
  }
}
