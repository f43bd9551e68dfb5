// A host of its own on this machine: a network namespace with two lines, one to the outside and one within the intranet,
// each of which can be made bad. Needs root, iproute2 and iptables.

import { type ChildProcess, execFile, type SpawnOptions, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What is wrong with the line to the outside. */
export type LineTrouble =
  /** Nothing goes through, and nobody is told. */
  | { readonly kind: "cut" }
  /** Nothing that the host sends arrives. */
  | { readonly kind: "cut_out" }
  /** Nothing that is sent to the host arrives. */
  | { readonly kind: "cut_in" }
  /** Connections are reset, and new ones as well. */
  | { readonly kind: "reset" }
  /** So many bits a second, each way. */
  | { readonly kind: "slow"; readonly bitsPerSecond: number };

export interface Namespace extends AsyncDisposable {
  /** This machine, as the host reaches it from outside its intranet. */
  readonly outside: string;
  /** This machine within the intranet of the host. */
  readonly intranet: string;
  /** The host, as the intranet reaches it. */
  readonly host: string;
  /** Runs a program on the host. */
  spawn(program: string, args: readonly string[], options: SpawnOptions): ChildProcess;
  trouble(trouble: LineTrouble): Promise<void>;
  heal(): Promise<void>;
}

/** Makes a host. */
export async function createNamespace(): Promise<Namespace> {
  if (process.getuid?.() !== 0) {
    throw new Error("only root may make a network namespace: run the tests of networks as root");
  }
  const number = randomInt(0, 16_384);
  const name = `hil-${number}`;
  // 10.192.0.0/10 in pieces of 256 addresses, of which the two lines take four each.
  const net = `10.${192 + (number >> 8)}.${number & 255}`;
  const [outside, hostOutside, intranet, host] = [1, 2, 5, 6].map((last) => `${net}.${last}`) as [
    string,
    string,
    string,
    string,
  ];
  const lines = [
    { here: `hil-o${number}`, there: "outside", ours: outside, theirs: hostOutside },
    { here: `hil-i${number}`, there: "intranet", ours: intranet, theirs: host },
  ];
  const [line] = lines as [(typeof lines)[0], ...typeof lines];
  const inside = (...command: string[]) => run("ip", ["netns", "exec", name, ...command]);
  await run("ip", ["netns", "add", name]);
  try {
    await inside("ip", "link", "set", "lo", "up");
    for (const { here, there, ours, theirs } of lines) {
      await run("ip", ["link", "add", here, "type", "veth", "peer", "name", there, "netns", name]);
      await run("ip", ["addr", "add", `${ours}/30`, "dev", here]);
      await run("ip", ["link", "set", here, "up"]);
      await inside("ip", "addr", "add", `${theirs}/30`, "dev", there);
      await inside("ip", "link", "set", there, "up");
      // What is slowed down goes in packets of the usual size: larger ones would not fit, and be dropped.
      await run("ip", ["link", "set", here, "gso_max_size", "1500", "gso_max_segs", "1"]);
      await inside("ip", "link", "set", there, "gso_max_size", "1500", "gso_max_segs", "1");
    }
  } catch (error) {
    await run("ip", ["netns", "del", name]);
    throw error;
  }
  const rule = (chain: "INPUT" | "OUTPUT", ...target: string[]) =>
    inside("iptables", "-w", "-A", chain, chain === "INPUT" ? "-i" : "-o", line.there, ...target);
  const heal = async () => {
    await inside("iptables", "-w", "-F");
    // There is nothing to take off where the line was not slow.
    await run("tc", ["qdisc", "del", "dev", line.here, "root"]).catch(() => {});
    await inside("tc", "qdisc", "del", "dev", line.there, "root").catch(() => {});
  };
  return {
    outside,
    intranet,
    host,
    spawn: (program, args, options) => spawn("ip", ["netns", "exec", name, program, ...args], options),
    async trouble(trouble) {
      switch (trouble.kind) {
        case "cut":
          await Promise.all([rule("INPUT", "-j", "DROP"), rule("OUTPUT", "-j", "DROP")]);
          return;
        case "cut_out":
          await rule("OUTPUT", "-j", "DROP");
          return;
        case "cut_in":
          await rule("INPUT", "-j", "DROP");
          return;
        case "reset": {
          const reset = ["-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"];
          await rule("INPUT", ...reset);
          await rule("OUTPUT", ...reset);
          return;
        }
        case "slow": {
          const slow = [
            ...["root", "tbf", "rate", `${trouble.bitsPerSecond}bit`],
            ...["burst", "4000", "latency", "2s"],
          ];
          await run("tc", ["qdisc", "add", "dev", line.here, ...slow]);
          await inside("tc", "qdisc", "add", "dev", line.there, ...slow);
          return;
        }
      }
    },
    heal,
    async [Symbol.asyncDispose]() {
      await run("ip", ["netns", "del", name]); // the lines go with it
    },
  };
}
