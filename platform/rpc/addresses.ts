import { lookup } from "node:dns/promises";
import { isIP } from "node:net";

const LOOKUP_INTERVAL_MS = 3_000;

/** Where the replicas of a service are. */
export interface Addresses {
  /** The addresses, one for each replica. Rejects while the name cannot be resolved and never could. */
  current(): Promise<readonly string[]>;
  close(): void;
}

/**
 * Finds the replicas behind a name: a container platform gives one address for each. Asked again every 3 s, so that
 * replicas that come and go are noticed; while the name server is away, what it said last holds. Several addresses
 * may be named outright, separated by commas.
 */
export function resolveAddresses(url: string, { find = findAll }: { find?: typeof findAll } = {}): Addresses {
  const bases = url.split(",").map((each) => new URL(each.trim()));
  let known: readonly string[] | undefined;
  let untilMs = 0;
  let asking: Promise<readonly string[]> | undefined;
  const ask = async (): Promise<readonly string[]> => {
    try {
      known = (await Promise.all(bases.map(find))).flat();
    } catch (error) {
      if (!known) throw error;
    } finally {
      untilMs = performance.now() + LOOKUP_INTERVAL_MS;
      asking = undefined;
    }
    return known;
  };
  return {
    async current() {
      if (known && performance.now() < untilMs) return known;
      asking ??= ask();
      return known ?? asking; // a known answer is used while the next one is on its way
    },
    close() {
      known = undefined;
    },
  };
}

async function findAll(base: URL): Promise<string[]> {
  const host = base.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) || base.protocol === "https:") return [base.origin]; // a certificate is for a name
  const found = await lookup(host, { all: true });
  return found.map(({ address, family }) => {
    const each = new URL(base);
    each.hostname = family === 6 ? `[${address}]` : address;
    return each.origin;
  });
}
