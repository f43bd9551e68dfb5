// The way to the server's socket: a name, a connection, and a proxy that lets it through.

import { lookup } from "node:dns/promises";
import { request } from "node:http";
import { connect, isIP, type Socket } from "node:net";
import type { Translate } from "@hil/platform/config/locale.ts";
import type { OutboundProxy } from "../outbound-proxy.ts";
import { Obstacle } from "./finding.ts";

/** How long one step may take. */
export const STEP_PATIENCE_MS = 10_000;

/** Whom a connection is made to. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** The addresses of a name. Throws an Obstacle. */
export async function resolveName({ host }: Place, t: Translate): Promise<readonly string[]> {
  const name = host.replace(/^\[|\]$/g, "");
  if (isIP(name) !== 0) return [name];
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTFOUND") {
      throw new Obstacle(
        t(
          `the name ${name} is not known here: check the spelling, or which DNS server this host asks`,
          `本机无法解析 ${name}：请检查拼写，或本机使用的 DNS 服务器`,
        ),
      );
    }
    throw new Obstacle(
      t(
        `the DNS server of this host does not answer (${code}) when it is asked for ${name}`,
        `本机的 DNS 服务器没有响应（${code}），查询的名称为 ${name}`,
      ),
    );
  }
}

/** A connection to a place. Throws an Obstacle. */
export async function connectTo({ host, port }: Place, t: Translate): Promise<Socket> {
  const socket = connect({ host: host.replace(/^\[|\]$/g, ""), port });
  try {
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(
        () => reject(Object.assign(new Error(), { code: "ETIMEDOUT" })),
        STEP_PATIENCE_MS,
      );
      socket.once("connect", () => {
        clearTimeout(late);
        resolve();
      });
      socket.once("error", (error) => {
        clearTimeout(late);
        reject(error);
      });
    });
    return socket;
  } catch (error) {
    socket.destroy();
    throw new Obstacle(connectWords(error as NodeJS.ErrnoException, `${host}:${port}`, t));
  }
}

function connectWords(error: NodeJS.ErrnoException, at: string, t: Translate): string {
  const [first] = (error as unknown as AggregateError).errors ?? [error];
  const code = (first as NodeJS.ErrnoException).code ?? error.code;
  switch (code) {
    case "ECONNREFUSED":
      return t(
        `nothing listens at ${at}: check the port, and whether the server runs`,
        `${at} 没有程序在监听：请检查端口，以及服务是否在运行`,
      );
    case "ETIMEDOUT":
      return t(
        `${at} does not answer: a firewall drops what this host sends there, or the address is wrong; where a proxy is needed, set https_proxy`,
        `${at} 没有响应：可能被防火墙丢弃，或地址有误；如需代理请设置 https_proxy`,
      );
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return t(
        `this host has no route to ${at}; where a proxy is needed, set https_proxy`,
        `本机没有到 ${at} 的路由；如需代理请设置 https_proxy`,
      );
    default:
      return t(`no connection to ${at} comes about (${code})`, `无法连接 ${at}（${code}）`);
  }
}

/** Asks a proxy for a connection to a place. Throws an Obstacle. */
export async function connectThrough(
  proxy: OutboundProxy,
  { host, port }: Place,
  t: Translate,
): Promise<Socket> {
  const to = `${host}:${port}`;
  const asked = request({
    host: proxy.host.replace(/^\[|\]$/g, ""),
    port: proxy.port,
    method: "CONNECT",
    path: to,
    headers: {
      host: to,
      ...(proxy.credentials === undefined
        ? {}
        : { "proxy-authorization": `Basic ${Buffer.from(proxy.credentials).toString("base64")}` }),
    },
    timeout: STEP_PATIENCE_MS,
    agent: false,
  });
  return new Promise((resolve, reject) => {
    const fail = (en: string, zh: string) => {
      asked.destroy();
      reject(new Obstacle(t(en, zh)));
    };
    const said = (status: number) => {
      if (status === 407) {
        if (proxy.credentials === undefined) {
          fail(
            `the proxy ${proxy.text} wants a user name and a password: write http://USER:PASSWORD@${proxy.text} into https_proxy`,
            `代理 ${proxy.text} 需要用户名和密码：请在 https_proxy 中写 http://用户:密码@${proxy.text}`,
          );
        } else {
          fail(
            `the proxy ${proxy.text} does not take the user name and the password of https_proxy`,
            `代理 ${proxy.text} 不接受 https_proxy 中的用户名和密码`,
          );
        }
      } else if (status === 403 || status === 405) {
        fail(
          `the proxy ${proxy.text} does not let connections to ${to} through (HTTP ${status}): ask whoever runs it to allow CONNECT there`,
          `代理 ${proxy.text} 不允许连接 ${to}（HTTP ${status}）：请联系代理管理员放行 CONNECT`,
        );
      } else if (status >= 500) {
        fail(
          `the proxy ${proxy.text} cannot reach ${to} (HTTP ${status})`,
          `代理 ${proxy.text} 无法连接 ${to}（HTTP ${status}）`,
        );
      } else {
        fail(
          `the proxy ${proxy.text} answered HTTP ${status} where it should open a connection: it may be no proxy`,
          `代理 ${proxy.text} 返回 HTTP ${status} 而没有建立连接：它可能不是代理`,
        );
      }
    };
    asked.once("connect", (response, socket, head) => {
      if (response.statusCode !== 200) {
        socket.destroy();
        said(response.statusCode ?? 0);
        return;
      }
      if (head.length > 0) socket.unshift(head);
      resolve(socket as Socket);
    });
    asked.once("response", (response) => said(response.statusCode ?? 0));
    asked.once("timeout", () =>
      fail(`the proxy ${proxy.text} does not answer`, `代理 ${proxy.text} 没有响应`),
    );
    asked.once("error", (error: NodeJS.ErrnoException) =>
      fail(
        error.code?.startsWith("HPE_")
          ? `what answers at ${proxy.text} is no HTTP proxy`
          : `the proxy ${proxy.text} ended the connection (${error.code})`,
        error.code?.startsWith("HPE_")
          ? `${proxy.text} 不是 HTTP 代理`
          : `代理 ${proxy.text} 断开了连接（${error.code}）`,
      ),
    );
    asked.end();
  });
}
