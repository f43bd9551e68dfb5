// An HTTP proxy that opens connections (CONNECT), with or without a password, as companies have them.

import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

export interface ConnectProxy extends AsyncDisposable {
  readonly port: number;
  /** Where it was asked to connect to, in order, by those whom it let. */
  readonly targets: readonly string[];
  /** How many it turned away. */
  readonly refusals: number;
  /** Connections that it carries now. */
  readonly connections: number;
}

export async function startConnectProxy({
  credentials,
  refuse,
  host = "127.0.0.1",
}: {
  /** "user:password" */
  credentials?: string;
  /** The status for everybody. */
  refuse?: number;
  host?: string;
} = {}): Promise<ConnectProxy> {
  const targets: string[] = [];
  const sockets = new Set<Socket>();
  let refusals = 0;
  const server = createServer((_request, response) => {
    response.writeHead(400).end("this proxy only connects");
  });
  const turnAway = (socket: Socket, status: number, headers = "") => {
    refusals += 1;
    socket.end(`HTTP/1.1 ${status} No\r\n${headers}Content-Length: 0\r\nConnection: close\r\n\r\n`);
  };
  server.on("connect", (request, near: Socket, head: Buffer) => {
    near.on("error", () => near.destroy());
    if (refuse !== undefined) {
      turnAway(near, refuse);
      return;
    }
    const right = credentials && `Basic ${Buffer.from(credentials).toString("base64")}`;
    if (right && request.headers["proxy-authorization"] !== right) {
      turnAway(near, 407, 'Proxy-Authenticate: Basic realm="proxy"\r\n');
      return;
    }
    const target = request.url ?? "";
    targets.push(target);
    const [, name = "", port = ""] = /^\[?(.*?)\]?:(\d+)$/.exec(target) ?? [];
    const far = connect({ host: name, port: Number(port) }, () => {
      near.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) far.write(head);
      near.pipe(far).pipe(near);
    });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.once("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    far.once("error", () => {
      if (!near.destroyed) turnAway(near, 502);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    targets,
    get refusals() {
      return refusals;
    },
    get connections() {
      return sockets.size / 2;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await closed;
    },
  };
}
