// A replica in a process of its own, to be killed or held still: replica-process.ts <database> <vendor> <key>. It says
// "ready" on stdout, and on stderr what the service logs.

import { createLog } from "@hil/platform/telemetry/log.ts";
import { openReplica } from "./replica.ts";

const [databaseUrl, vendorUrl, key] = process.argv.slice(2);
if (!databaseUrl || !vendorUrl || !key) throw new Error("replica-process.ts <database> <vendor> <key>");
await openReplica({ databaseUrl, vendorUrl, key, log: createLog("debug") });
process.stdout.write("ready\n");
setInterval(() => {}, 60_000); // until it is killed
