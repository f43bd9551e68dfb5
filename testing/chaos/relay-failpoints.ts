// Kills a relay, its server, or both, at the places that a message passes on its way between them.

import type { FailpointName } from "@hil/platform/failpoints/failpoints.ts";
import type { RelayDeployment } from "./relay-deployment.ts";
import type { Trouble } from "./run.ts";

const OF_RELAY = [
  "relay.before_spool",
  "relay.before_ok",
  "relay.after_ok",
  "relay.before_remove",
  "relay.before_send",
  "relay.after_send",
  "relay.before_record",
] as const satisfies readonly FailpointName[];
const OF_SERVER = [
  "delivery.before_send",
  "delivery.after_send",
  "delivery.after_finish",
  "relayed.result_came",
  "relayed.before_ingest",
  "relayed.after_ingest",
] as const satisfies readonly FailpointName[];
const MOST_PASSES = 4;
const REACH_PATIENCE_MS = 30_000;

/** Kills `kills` times: each place in its turn, and every second time the other side with it. */
export function dieBetween({ kills }: { kills: number }): Trouble<RelayDeployment> {
  return async ({ hil, relay }, { history, random, onProgress }) => {
    const plans = [
      ...OF_RELAY.map((place) => ({ place, side: relay, other: hil, name: "relay" })),
      ...OF_SERVER.map((place) => ({ place, side: hil, other: relay, name: "hil" })),
    ];
    for (let killed = 0; killed < kills; killed += 1) {
      const { place, side, other, name } = plans[killed % plans.length]!;
      const takesBoth = Math.floor(killed / plans.length) % 2 === 1;
      const target = takesBoth ? "hil and relay" : name;
      history.add({ kind: "fault", what: "failpoint", target: name });
      await side.server.kill();
      await side.start({ HIL_TESTING: "1", HIL_FAIL: `${place}:exit@${1 + random.below(MOST_PASSES)}` });
      history.add({ kind: "healed", what: "failpoint", target: name });
      await dies(side.server.ended, place);
      history.add({ kind: "fault", what: "kill", target });
      if (takesBoth) {
        await other.server.kill();
        await other.start();
      }
      await side.start();
      history.add({ kind: "healed", what: "kill", target });
      if ((killed + 1) % 10 === 0) onProgress(`${killed + 1} kills, ${history.of("asked").length} asked`);
    }
  };
}

async function dies(ended: Promise<unknown>, place: string): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = setTimeout(() => reject(new Error(`${place} was not reached`)), REACH_PATIENCE_MS);
  try {
    await Promise.race([ended, promise]);
  } finally {
    clearTimeout(late);
  }
}
