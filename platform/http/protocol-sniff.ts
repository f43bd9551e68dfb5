import type * as net from "node:net";

const PREFACE_PATIENCE_MS = 10_000;

/** Tells HTTP/2 from HTTP/1.1 by what a connection sends first, and leaves it to be read again. */
export function sniff(socket: net.Socket, found: (isHttp2: boolean) => void): void {
  const drop = () => socket.destroy();
  socket.on("error", drop);
  socket.setTimeout(PREFACE_PATIENCE_MS, drop);
  let seen = Buffer.alloc(0);
  const peek = () => {
    const chunk = socket.read() as Buffer | null;
    if (chunk) seen = Buffer.concat([seen, chunk]);
    // "PRI" begins the HTTP/2 preface; a shorter first segment cannot be told yet.
    if (seen.length < 3) {
      socket.once("readable", peek);
      return;
    }
    socket.setTimeout(0);
    socket.removeListener("timeout", drop);
    socket.unshift(seen);
    found(seen.subarray(0, 3).toString("latin1") === "PRI");
  };
  socket.once("readable", peek);
}
