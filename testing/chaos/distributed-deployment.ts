import { startDistributed } from "../processes/start-distributed.ts";
import { startTcpProxy, type TcpProxy } from "../toxics/tcp-proxy.ts";
import type { Deployment, Link, Target } from "./deployment.ts";

/**
 * The distributed form: a process for each service, two of session, and PostgreSQL and NATS behind networks that can go
 * bad. NATS may be wiped: nothing of HIL depends on what it keeps.
 */
export async function startDistributedDeployment(environment: Record<string, string>): Promise<Deployment> {
  await using stack = new AsyncDisposableStack();
  const links: Link[] = [];
  const linkTo = async (name: string, url: string): Promise<string> => {
    const address = new URL(url);
    const proxy: TcpProxy = stack.use(await startTcpProxy({ port: Number(address.port) }));
    links.push({ name, poison: (toxic) => proxy.poison(toxic), heal: () => proxy.heal() });
    address.port = String(proxy.port);
    return address.href;
  };
  const { url, ownerKey, processes, postgres, nats } = stack.use(
    await startDistributed({
      replicas: { session: 2, delivery: 2, callback: 2 },
      environment: { HIL_LOG_LEVEL: "error", ...environment },
      through: async ({ postgresUrl, natsUrl }) => ({
        postgresUrl: await linkTo("postgres", postgresUrl),
        natsUrl: await linkTo("nats", natsUrl),
      }),
    }),
  );
  const services: Target[] = processes.map((each) => ({
    name: each.name,
    kill: async () => void (await each.kill("SIGKILL")),
    restart: () => each.restart(),
    pause: () => each.pause(),
    resume: () => each.resume(),
  }));
  const servers: Target[] = [
    {
      name: "postgres",
      kill: () => postgres.kill("SIGQUIT"),
      restart: () => postgres.restart(),
      pause: () => postgres.signalAll("SIGSTOP"),
      resume: () => postgres.signalAll("SIGCONT"),
    },
    {
      name: "nats",
      kill: () => nats.kill("SIGKILL"),
      restart: () => nats.restart(),
      pause: () => process.kill(nats.pid, "SIGSTOP"),
      resume: () => process.kill(nats.pid, "SIGCONT"),
      wipe: () => nats.wipe(),
    },
  ];
  const owned = stack.move();
  return {
    form: "distributed",
    url,
    ownerKey,
    targets: [...services, ...servers],
    links,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
