// HIL's embedded form as a process of its own, told where it listens by one line on stdout: "listening <port>".

import { startEmbedded } from "../../cli/embedded.ts";

const embedded = await startEmbedded({ environment: process.env });
// Before anybody is told that it serves: a signal that comes at once must not end it as one that nobody handles.
process.on("SIGTERM", () => void embedded.close().then(() => process.exit(0)));
// For the benchmark: what is measured afterwards is what is kept. Needs --expose-gc.
process.on("SIGUSR2", () => globalThis.gc?.());
process.stdout.write(`listening ${embedded.port}\n`);
