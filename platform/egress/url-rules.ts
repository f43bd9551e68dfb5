import { isIP } from "node:net";
import type { EgressConfig } from "./config.ts";

const MAX_LENGTH = 2048;
const PORTS = [443, 8443];
/** Names of this machine and of services that hand out its credentials, whatever they resolve to. */
const REFUSED_NAMES =
  /^(localhost|.+[.]localhost|localhost[.]localdomain|localhost6?([.]localdomain6?)?|ip6-localhost|ip6-loopback|metadata|metadata[.]google[.]internal|metadata[.]goog|instance-data|instance-data[.]ec2[.]internal|metadata[.]tencentyun[.]com)$/;

/** What an address says of itself, before anything is resolved. `why` is for the log. */
export type UrlReading =
  | { readonly kind: "url"; readonly url: URL; readonly host: string }
  | { readonly kind: "refused"; readonly why: string };

/**
 * Reads an address that a tenant chose. `host` is a name in ASCII, or an IP address without brackets; octal, short and
 * Unicode spellings have become what they stand for.
 */
export function readUrl(text: string, config: EgressConfig): UrlReading {
  if (text.length > MAX_LENGTH) return refused(`it is longer than ${MAX_LENGTH} characters`);
  // The URL parser drops line breaks and turns backslashes round; nobody writes them with good intent.
  if (/[\u0000-\u0020\u007f-\u00a0\\]/.test(text))
    return refused("it has blanks, control characters or backslashes");
  if (!URL.canParse(text)) return refused("it is no URL");
  const url = new URL(text);
  if (url.username || url.password || /^[a-z]+:\/*[^/?#]*@/i.test(text))
    return refused("it carries a user name");
  if (text.includes("#")) return refused("it has a fragment");
  if (!/^https?:\/\/[^/]/i.test(text)) return refused("it is not written as https://…");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const why = originProblem({ protocol: url.protocol, host, port: url.port }, config);
  return why === undefined ? { kind: "url", url, host } : refused(why);
}

/** Why nothing is sent to this protocol, host and port, whatever the host's address; undefined where it may be. */
export function originProblem(
  { protocol, host, port }: { protocol: string; host: string; port: string },
  { allowHttp, ports, hosts }: EgressConfig,
): string | undefined {
  if (protocol !== "https:" && !(allowHttp && protocol === "http:")) return `its protocol is ${protocol}`;
  const number = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
  const isOpen = PORTS.includes(number) || ports.includes(number) || (protocol === "http:" && number === 80);
  if (!isOpen) return `its port is ${number}`;
  if (host === "" || host.endsWith(".") || host.includes("%")) return "its host is not a plain name";
  if (isIP(host) === 0 && REFUSED_NAMES.test(host) && !hosts.includes(host))
    return "its name is this machine's or a cloud's own";
  return undefined;
}

function refused(why: string): UrlReading {
  return { kind: "refused", why };
}
