// A whole HIL as a process of its own, so that tests can kill it. Says where it listens on stdout.

import { startEmbedded } from "../../../cli/embedded.ts";

const { url, localKey, close } = await startEmbedded({ environment: process.env });
process.stdout.write(`${JSON.stringify({ url, localKey })}\n`);
process.on("SIGTERM", async () => {
  await close();
  process.exit(0);
});
