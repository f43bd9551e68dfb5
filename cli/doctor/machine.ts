// Looks at the machine: what a server and its clients need of it.

import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import type { Translate } from "../terminal.ts";
import { type Finding, hint, ok, problem } from "./finding.ts";

const LEAST_NODE = 24;
const LEAST_FREE_BYTES = 200 * 1024 * 1024;

export function checkNode(t: Translate): Finding {
  const { node } = process.versions;
  if (Number(node.split(".", 1)[0]) >= LEAST_NODE) return ok(`Node ${node}`);
  return problem(
    `Node ${node}`,
    t(
      `Node ${LEAST_NODE} is needed: run npm install in the checkout, which brings it`,
      `需要 Node ${LEAST_NODE}：在项目目录执行 npm install 即可获得`,
    ),
  );
}

/** That the server can write there, that others cannot read there, and that there is room. */
export function checkDataFolder(folder: string, t: Translate): Finding[] {
  const there = existsSync(folder);
  const nearest = there ? folder : dirname(folder);
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
  } catch {
    return [
      problem(
        t(`the data folder ${folder} cannot be written`, `数据目录 ${folder} 不可写`),
        t(
          `let this user write ${nearest}, or set HIL_DATA_DIR to another folder`,
          `授予当前用户写 ${nearest} 的权限，或用 HIL_DATA_DIR 指定其他目录`,
        ),
      ),
    ];
  }
  const findings = [
    there
      ? ok(t(`data folder ${folder}`, `数据目录 ${folder}`))
      : ok(t(`data folder ${folder}, made at the first start`, `数据目录 ${folder}（首次启动时创建）`)),
  ];
  const { bavail, bsize } = statfsSync(nearest);
  const free = bavail * bsize;
  const megabytes = Math.round(free / 1024 / 1024);
  findings.push(
    free >= LEAST_FREE_BYTES
      ? ok(t(`${megabytes} MiB free for data`, `剩余空间 ${megabytes} MiB`))
      : problem(
          t(`only ${megabytes} MiB free for data`, `剩余空间仅 ${megabytes} MiB`),
          t(
            "make room: a full disk means that nothing more is accepted",
            "请清理磁盘：磁盘写满后将不再接收任何请求",
          ),
        ),
  );
  return findings;
}

/** Whether a server could take its port. Only asked where none answered. */
export async function checkPort(port: number, t: Translate): Promise<Finding> {
  const free = await new Promise<boolean>((found) => {
    const server = createServer();
    server.once("error", () => found(false));
    server.listen(port, "127.0.0.1", () => server.close(() => found(true)));
  });
  return free
    ? ok(t(`port ${port} is free`, `端口 ${port} 空闲`))
    : problem(
        t(`port ${port} is taken by something that is not HIL`, `端口 ${port} 被其他程序占用`),
        t("stop it, or set HIL_PORT to another port", "停止占用程序，或用 HIL_PORT 指定其他端口"),
      );
}

/** HIL itself never asks this machine through a proxy; curl and others do. */
export function checkProxies(environment: NodeJS.ProcessEnv, t: Translate): Finding {
  const set = ["http_proxy", "https_proxy", "all_proxy"].filter(
    (name) => environment[name] || environment[name.toUpperCase()],
  );
  if (set.length === 0) return ok(t("no proxy is set", "未设置代理"));
  const exempt = `${environment.no_proxy ?? environment.NO_PROXY ?? ""}`;
  if (/127\.0\.0\.1|localhost|^\*$/.test(exempt))
    return ok(
      t(`proxy set (${set.join(", ")}), not for this machine`, `已设置代理（${set.join("、")}），不用于本机`),
    );
  return hint(
    t(
      `${set.join(", ")} set, and no_proxy does not name this machine`,
      `已设置 ${set.join("、")}，但 no_proxy 未包含本机`,
    ),
    t(
      "HIL goes directly to this machine all the same; for curl and others: export no_proxy=127.0.0.1,localhost",
      "HIL 访问本机时不走代理；如需 curl 等工具也直连：export no_proxy=127.0.0.1,localhost",
    ),
  );
}
