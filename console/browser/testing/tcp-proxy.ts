import * as net from "node:net";

/** A wire between a browser and a server that a test can cut. */
export interface TcpProxy {
  readonly url: string;
  /** Cuts every connection; new ones are taken. */
  cut(): void;
  /** How many connections were cut so far. */
  readonly cuts: number;
  /** While true, new connections are closed at once. */
  down: boolean;
  close(): Promise<void>;
}

/** Opens a wire to a port of this machine. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<net.Socket>();
  const state = { cuts: 0, down: false };
  const server = net.createServer((near) => {
    if (state.down) {
      near.destroy();
      return;
    }
    const far = net.connect(targetPort, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    state.cuts += sockets.size / 2;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    cut,
    get cuts() {
      return state.cuts;
    },
    get down() {
      return state.down;
    },
    set down(down) {
      state.down = down;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      cut();
      await closed;
    },
  };
}
