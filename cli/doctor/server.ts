// Looks at the server, as a client of it.

import { Code, ConnectError } from "@connectrpc/connect";
import { type Channel, Channel_Kind, Channel_State } from "@hil/gen/hil/delivery/v1/delivery_pb.ts";
import type { Connection } from "../client.ts";
import { oneLine } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { version } from "../version.ts";
import { type Finding, hint, ok, problem } from "./finding.ts";

const MOST_CLOCK_SKEW_MS = 30_000;

/** Whether it answers, which version it is and whether the clocks agree. The rest makes no sense without it. */
export async function checkServer(
  { service, http }: Connection,
  { t, now }: Terminal,
): Promise<{ reachable: boolean; findings: Finding[] }> {
  let answer: { status: number; body: string };
  try {
    answer = await http("GET", "/api/health");
  } catch (error) {
    const why = ConnectError.from(error).rawMessage;
    const what = t(`nothing answers at ${service.baseUrl} (${why})`, `${service.baseUrl} 没有响应（${why}）`);
    const remedy = service.loopback
      ? t("start it: npm start", "启动服务：npm start")
      : t("check the address, the network and the proxy", "检查地址、网络与代理");
    return { reachable: false, findings: [problem(what, remedy)] };
  }
  const health = readHealth(answer.body);
  if (answer.status !== 200 || !health) {
    const what = t(
      `${service.baseUrl} answers, but not like HIL (HTTP ${answer.status})`,
      `${service.baseUrl} 有响应，但不是 HIL（HTTP ${answer.status}）`,
    );
    return {
      reachable: false,
      findings: [
        problem(
          what,
          t(
            "point --service-url at HIL, or its proxy at HIL's port",
            "让 --service-url 指向 HIL，或让反向代理指向 HIL 的端口",
          ),
        ),
      ],
    };
  }
  const findings: Finding[] = [];
  const own = version();
  const serving = t(
    `HIL ${health.version} answers at ${service.baseUrl}`,
    `HIL ${health.version} 运行于 ${service.baseUrl}`,
  );
  findings.push(
    health.version === own
      ? ok(serving)
      : hint(
          serving,
          t(
            `this command line is ${own}; use the same version for both`,
            `本命令行版本为 ${own}，建议保持一致`,
          ),
        ),
  );
  const skewMs = health.time.getTime() - now().getTime();
  findings.push(
    Math.abs(skewMs) <= MOST_CLOCK_SKEW_MS
      ? ok(t("the clocks agree", "时钟一致"))
      : problem(
          t(
            `the server's clock differs by ${Math.round(skewMs / 1000)} s`,
            `与服务器时钟相差 ${Math.round(skewMs / 1000)} 秒`,
          ),
          t(
            "set both by NTP: deadlines follow the server's clock",
            "请用 NTP 校准两端时钟：截止时间以服务器为准",
          ),
        ),
  );
  return { reachable: true, findings };
}

/** How the channels are. None are told of where the credential may not see them. */
export async function checkChannels({ delivery }: Connection, { t }: Terminal): Promise<Finding[]> {
  let channels: Channel[];
  try {
    ({ channels } = await delivery.listChannels({}));
  } catch (error) {
    if (ConnectError.from(error).code === Code.PermissionDenied) return [];
    throw error;
  }
  return channels.flatMap((channel): Finding[] => {
    const name = oneLine(channel.name || channel.id);
    switch (channel.state) {
      case Channel_State.READY: {
        if (channel.runsOnRelays) return [onRelays(channel, name, t)];
        const ready = ok(t(`${name}: ready`, `${name}：就绪`));
        if (channel.kind !== Channel_Kind.WECOM_ROBOT || !channel.capabilities?.replies) return [ready];
        return [
          ready,
          hint(
            t("replies come from WeCom to this server", "企业微信会把回复推送到本服务"),
            t(
              "its callback address must lead to /api/callback here, through a name that WeCom reaches; send the robot a message: it answers with the chat's id",
              "回调地址须指向本服务的 /api/callback，且企业微信能够访问；给机器人发一条消息，它会回复会话 ID",
            ),
          ),
        ];
      }
      case Channel_State.NOT_CONFIGURED:
        return [
          hint(
            t(`${name}: not configured`, `${name}：未配置`),
            t(
              "questions are shown in the console; docs/channels/wecom-robot.md tells how to set it up",
              "问题只显示在控制台；配置方法见 docs/channels/wecom-robot.md",
            ),
          ),
        ];
      case Channel_State.BROKEN:
        return [
          problem(
            t(`${name}: the vendor refuses it`, `${name}：被平台拒绝`),
            oneLine(channel.lastError) || t("check its key", "检查密钥"),
          ),
        ];
      default:
        return []; // a state that this version does not know
    }
  });
}

/** A channel whose messages relays send, and whose replies they hear. */
function onRelays({ attachedRelays }: Channel, name: string, t: Terminal["t"]): Finding {
  if (attachedRelays.length === 0) {
    return problem(
      t(`${name}: none of the relays that run it is attached`, `${name}：没有运行它的中转接入`),
      t(
        'its messages wait until one is; "hil relay list" says which are away, and hil-relay --check on the host looks for why',
        '消息将等到有中转接入；用 "hil relay list" 查看，在主机上用 hil-relay --check 排查',
      ),
    );
  }
  const names = attachedRelays.map(oneLine).join(", ");
  return ok(t(`${name}: ready, by ${names}`, `${name}：就绪（${names}）`));
}

function readHealth(body: string): { version: string; time: Date } | undefined {
  try {
    const { version: theirs, timestamp } = JSON.parse(body) as { version?: unknown; timestamp?: unknown };
    const time = new Date(String(timestamp));
    return typeof theirs === "string" && !Number.isNaN(time.getTime())
      ? { version: theirs, time }
      : undefined;
  } catch {
    return undefined; // not JSON: not HIL
  }
}
