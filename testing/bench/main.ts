// npm run bench: what HIL costs, told so that it holds on any machine.

import { parseArgs } from "node:util";
import { benchCycle } from "./cycle.ts";
import { benchMcp } from "./mcp.ts";
import { benchNoisyTenant } from "./noisy-tenant.ts";
import { benchRelay } from "./relay.ts";
import { startDistributedStorm, startEmbeddedStorm } from "./relay-storm.ts";
import { startDistributedHil, startEmbeddedHil } from "./subject.ts";
import { benchWaiters } from "./waiters.ts";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "6" },
    parked: { type: "string" },
    form: { type: "string", default: "embedded" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const forms = { embedded: startEmbeddedHil, distributed: startDistributedHil };
const storms = { embedded: startEmbeddedStorm, distributed: startDistributedStorm };
const benches = {
  cycle: benchCycle,
  waiters: benchWaiters,
  mcp: benchMcp,
  "noisy-tenant": benchNoisyTenant,
  relay: benchRelay,
};

if (options.help) {
  console.log(`npm run bench [-- [which] [options]]

  cycle         create → answer → waiter resumed over the network API, and the memory of parked waits, beside a floor
                measured in the same run (the default; takes about a minute)
  waiters       how much memory that many waits at once take, how fast one of them and all of them wake, and whether
                all of them are there again after their process was killed
  mcp           the memory of agents that wait through MCP over HTTP, in the adapter and in the gateway, and whether
                each gets the answer to its own question (distributed form)
  noisy-tenant  how much longer a tenant waits while another one calls as hard as it can, beside the time alone in
                the same run (embedded form)
  relay         what a relay adds to the way to the vendor and back, beside the direct way in the same run; how many
                frames a second go through one stream; and how long 500 relays take to come back after the process
                that served them was killed, and what others notice of it (the last in the form that is asked for)

  --form F      embedded: one process (the default); distributed: a process for each service, two of the session
                service, with PostgreSQL and NATS, all on this machine
  --seconds N   how long each measurement runs (6)
  --parked N    how many waits are parked (10000; of mcp 1000)
  --json        prints the figures of the cycle as JSON`);
  process.exit(0);
}
const startHil = choose("--form", options.form, forms);
const bench = choose("the bench", positionals[0] ?? "cycle", benches);
await bench({
  startHil,
  startStorm: choose("--form", options.form, storms),
  runMs: Number(options.seconds) * 1000,
  parked: Number(options.parked ?? (bench === benchMcp ? 1_000 : 10_000)),
  json: options.json,
});
process.exit(0);

function choose<T>(what: string, name: string, choices: Record<string, T>): T {
  if (Object.hasOwn(choices, name)) return choices[name]!;
  console.error(`${what} is ${JSON.stringify(name)}; it can be ${Object.keys(choices).join(" or ")}`);
  process.exit(2);
}
