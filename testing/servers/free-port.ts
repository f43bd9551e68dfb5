import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below the range from which Linux gives a connection its own port and a listener on port 0 its port (32768–60999,
 * net.ipv4.ip_local_port_range): between being found free here and being listened on, no other process is given it.
 */
const FIRST = 15_000;
const END = 32_768;

/** A port on loopback that nobody listens on now, and that the system gives to nobody. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END);
    const server = createServer();
    const listening = once(server, "listening");
    server.listen(port, "127.0.0.1");
    const isFree = await listening.then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
