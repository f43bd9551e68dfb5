import ipaddr from "ipaddr.js";
import { z } from "zod";
import { list, readEnvironment } from "../config/environment.ts";

const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?([.][a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

const variables = z.object({
  HIL_EGRESS_ALLOW_HTTP: z
    .enum(["true", "false", "1", "0"], { error: "must be true or false" })
    .default("false")
    .transform((text) => text === "true" || text === "1"),
  HIL_EGRESS_PORTS: list
    .pipe(
      z.array(
        z
          .string()
          .transform(Number)
          .refine((port) => Number.isInteger(port) && port >= 1 && port <= 65535, {
            error: "must be port numbers from 1 to 65535, with commas between them",
          }),
      ),
    )
    .default([]),
  HIL_EGRESS_ALLOW: list
    .pipe(
      z.array(
        z.string().refine((entry) => openedNet(entry) !== undefined || HOST_NAME.test(entry.toLowerCase()), {
          error: "must be addresses, networks such as 10.20.0.0/16, or host names, with commas between them",
        }),
      ),
    )
    .default([]),
});

/** A network that the operator opened. */
export interface OpenedNet {
  readonly address: ipaddr.IPv4 | ipaddr.IPv6;
  readonly prefixLength: number;
  /** It names one address. */
  readonly isOne: boolean;
}

/** Which of the addresses that tenants choose are called. */
export interface EgressConfig {
  /** http beside https, with port 80. */
  readonly allowHttp: boolean;
  /** Ports beside 443 and 8443. */
  readonly ports: readonly number[];
  /** Networks that are called although they are not public. */
  readonly nets: readonly OpenedNet[];
  /** Names that are called whatever address they have. Lower case. */
  readonly hosts: readonly string[];
}

export function readEgressConfig(environment: NodeJS.ProcessEnv): EgressConfig {
  const given = readEnvironment(variables, environment);
  const nets = given.HIL_EGRESS_ALLOW.map(openedNet);
  return {
    allowHttp: given.HIL_EGRESS_ALLOW_HTTP,
    ports: given.HIL_EGRESS_PORTS,
    nets: nets.filter((net) => net !== undefined),
    hosts: given.HIL_EGRESS_ALLOW.filter((_, index) => nets[index] === undefined).map((host) =>
      host.toLowerCase(),
    ),
  };
}

function openedNet(entry: string): OpenedNet | undefined {
  const text = entry.replace(/^\[(.*)\]$/, "$1");
  try {
    // Only four decimal numbers: "10.1" must not open something else than it seems to.
    if (!text.includes(":") && !/^\d+[.]\d+[.]\d+[.]\d+(\/\d+)?$/.test(text)) return undefined;
    const [address, prefixLength] = ipaddr.parseCIDR(
      text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`,
    );
    return { address, prefixLength, isOne: prefixLength === (address.kind() === "ipv6" ? 128 : 32) };
  } catch {
    return undefined; // not an address: a name, perhaps
  }
}
