// Which proxy, if any, stands between this machine and HIL.

import { isLoopback } from "../http/loopback.ts";

/**
 * The proxy to use for an address, by the variables `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` in
 * lower or upper case. The lower-case name wins also when it is empty: that is how MCP entries switch a
 * proxy of the surrounding system off. Addresses of this machine are always reached directly.
 */
export function proxyFor(address: string, environment: NodeJS.ProcessEnv): string | undefined {
  const url = new URL(address);
  if (isLoopback(url.hostname)) return undefined;
  const read = (name: string): string => (environment[name] ?? environment[name.toUpperCase()] ?? "").trim();
  if (isExempt(url, read("no_proxy"))) return undefined;
  const named = environment[url.protocol === "https:" ? "https_proxy" : "http_proxy"];
  if (named !== undefined && named.trim() === "") return undefined;
  const proxy = read(url.protocol === "https:" ? "https_proxy" : "http_proxy") || read("all_proxy");
  if (proxy === "") return undefined;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

/** Entries are `*`, a host, a domain with or without a leading dot or `*.`, each with an optional port. */
function isExempt(url: URL, noProxy: string): boolean {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const host = url.hostname.toLowerCase().replace(/^\[|\]$/g, "");
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry === "*") return true;
      const withPort = /^(.*[^:]):(\d+)$/.exec(entry);
      if (withPort && withPort[2] !== port) return false;
      const name = (withPort?.[1] ?? entry).replace(/^\*?\./, "").replace(/^\[|\]$/g, "");
      return host === name || host.endsWith(`.${name}`);
    });
}
