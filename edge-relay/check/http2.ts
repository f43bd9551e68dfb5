import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Translate } from "@hil/platform/config/locale.ts";
import type { Way } from "../config.ts";
import { noHttp2, tlsWords } from "./encryption.ts";
import { Obstacle } from "./finding.ts";
import { STEP_PATIENCE_MS } from "./network.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const SETTINGS = 4;

/** Greets what is at the other end and sees whether it answers in HTTP/2. Throws an Obstacle. Ends the connection. */
export async function greetHttp2(
  socket: Socket | TLSSocket,
  way: Way,
  { t, now, encrypts }: { t: Translate; now: () => Date; encrypts: () => Promise<boolean> },
): Promise<void> {
  const { server } = way;
  if ("alpnProtocol" in socket && socket.alpnProtocol !== "h2") {
    socket.destroy();
    throw new Obstacle(noHttp2(server, t));
  }
  const first = await new Promise<Buffer | string>((resolve) => {
    const chunks: Buffer[] = [];
    const late = setTimeout(() => resolve("late"), STEP_PATIENCE_MS);
    const end = (what: Buffer | string) => {
      clearTimeout(late);
      resolve(what);
    };
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      const all = Buffer.concat(chunks);
      if (all.length >= 9) end(all);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? "error"));
    socket.on("close", () => end(Buffer.concat(chunks)));
    socket.write(PREFACE);
    socket.write(EMPTY_SETTINGS);
  });
  socket.destroy();
  if (typeof first !== "string" && first.length >= 9 && first[3] === SETTINGS) return;
  // With TLS 1.3 a server says only after the handshake that it misses a certificate, or takes none of ours.
  if (typeof first === "string" && first.startsWith("ERR_SSL_")) {
    throw new Obstacle(tlsWords(Object.assign(new Error(), { code: first }), way, undefined, now(), t));
  }
  if (!server.tls && (await encrypts())) {
    throw new Obstacle(
      t(
        `the server encrypts at this port: write https://${server.host}:${server.port}`,
        `服务端在该端口使用加密：请写 https://${server.host}:${server.port}`,
      ),
    );
  }
  if (first === "late" || typeof first === "string" || first.length === 0) {
    throw new Obstacle(
      t(
        `something takes the connection at ${server.host}:${server.port} and says nothing: it may be another service`,
        `${server.host}:${server.port} 接受连接但没有响应：可能是其他服务`,
      ),
    );
  }
  throw new Obstacle(noHttp2(server, t));
}
