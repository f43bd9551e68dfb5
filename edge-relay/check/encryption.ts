// Whether the server is who it says, as this host can tell.

import { connect as connectHttp2 } from "node:http2";
import type { Socket } from "node:net";
import { connect, type PeerCertificate, type TLSSocket } from "node:tls";
import type { Translate } from "@hil/platform/config/locale.ts";
import type { Way } from "../config.ts";
import { Obstacle } from "./finding.ts";
import { STEP_PATIENCE_MS } from "./network.ts";

/** How far a clock may be off before it is said to be wrong. */
const CLOCK_SLACK_MS = 5 * 60_000;
const TIME_PATIENCE_MS = 2_000;

/** An encrypted connection over a socket. It speaks HTTP/2 where the server does. Throws an Obstacle. */
export async function encrypt(
  way: Way,
  open: () => Promise<Socket>,
  t: Translate,
  now: () => Date,
): Promise<TLSSocket> {
  try {
    return await handshake(await open(), way, true);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    const seen = TROUBLE_WITH_DATES.has(code) ? await look(way, open) : undefined;
    throw new Obstacle(tlsWords(error as NodeJS.ErrnoException, way, seen, now(), t));
  }
}

const TROUBLE_WITH_DATES = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]);

/** What a server shows that is not believed: its certificate, and its clock where it tells the time. */
interface Seen {
  readonly certificate: PeerCertificate;
  readonly serverTime: Date | undefined;
}

function handshake(socket: Socket, { server, ca, identity }: Way, isStrict: boolean): Promise<TLSSocket> {
  const name = server.host.replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    const encrypted = connect({
      socket,
      host: name,
      ...(/^[\d.]+$|:/.test(name) ? {} : { servername: name }),
      ...(ca ? { ca } : {}),
      ...(identity ?? {}),
      ALPNProtocols: isStrict ? ["h2"] : ["h2", "http/1.1"],
      rejectUnauthorized: isStrict,
    });
    const late = setTimeout(() => {
      encrypted.destroy();
      reject(Object.assign(new Error(), { code: "ETIMEDOUT" }));
    }, STEP_PATIENCE_MS);
    encrypted.once("secureConnect", () => {
      clearTimeout(late);
      resolve(encrypted);
    });
    encrypted.once("error", (error) => {
      clearTimeout(late);
      encrypted.destroy();
      reject(error);
    });
  });
}

/** Looks at a server that is not believed. Nothing secret is said to it. */
async function look(way: Way, open: () => Promise<Socket>): Promise<Seen | undefined> {
  try {
    const socket = await handshake(await open(), { ...way, identity: undefined }, false);
    const certificate = socket.getPeerCertificate();
    const serverTime = await askTime(socket, way.server.host);
    socket.destroy();
    return { certificate, serverTime };
  } catch {
    return undefined; // what it shows was no more than a help
  }
}

/** Whether a server encrypts, whoever it is. */
export async function doesEncrypt(way: Way, open: () => Promise<Socket>): Promise<boolean> {
  try {
    (await handshake(await open(), { ...way, identity: undefined }, false)).destroy();
    return true;
  } catch {
    return false;
  }
}

/** The time that a web server says it is. */
async function askTime(socket: TLSSocket, host: string): Promise<Date | undefined> {
  const date = await (socket.alpnProtocol === "h2" ? dateOfHttp2(socket, host) : dateOfHttp1(socket, host));
  const ms = Date.parse(date ?? "");
  return Number.isNaN(ms) ? undefined : new Date(ms);
}

function dateOfHttp2(socket: TLSSocket, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const session = connectHttp2(`https://${host}`, { createConnection: () => socket });
    const done = (date?: string) => {
      clearTimeout(late);
      session.destroy();
      resolve(date);
    };
    const late = setTimeout(done, TIME_PATIENCE_MS);
    session.on("error", () => done());
    const request = session.request({ ":method": "HEAD", ":path": "/" });
    request.on("response", ({ date }) => done(date));
    request.on("error", () => done());
    request.end();
  });
}

function dateOfHttp1(socket: TLSSocket, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const late = setTimeout(() => socket.destroy(), TIME_PATIENCE_MS);
    socket.on("data", (chunk: Buffer) => {
      text = (text + chunk.toString("latin1")).slice(0, 16_384);
      if (text.includes("\r\n\r\n")) socket.destroy();
    });
    socket.on("error", () => {});
    socket.once("close", () => {
      clearTimeout(late);
      resolve(/^date: *(.+?)\r?$/im.exec(text)?.[1]);
    });
    socket.write(`HEAD / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
}

/** What an error of a handshake means. Pure. */
export function tlsWords(
  error: NodeJS.ErrnoException,
  { server, ca }: Pick<Way, "server" | "ca">,
  seen: Seen | undefined,
  now: Date,
  t: Translate,
): string {
  const code = error.code ?? "";
  const time = now.toISOString();
  const clock = seen?.serverTime && clockWords(seen.serverTime, now, t);
  switch (code) {
    case "CERT_HAS_EXPIRED": {
      if (clock) return clock;
      const end = seen?.certificate.valid_to ?? "?";
      return t(
        `the server's certificate has expired: it was valid until ${end}, and this host's clock says ${time}; renew the certificate, or set the clock if it is wrong`,
        `服务端证书已过期：有效期至 ${end}，本机时钟为 ${time}；请更新证书，若时钟有误请校准`,
      );
    }
    case "CERT_NOT_YET_VALID": {
      if (clock) return clock;
      const start = seen?.certificate.valid_from ?? "?";
      return t(
        `this host's clock is probably wrong: it says ${time}, and the server's certificate is valid only from ${start} on; set the clock`,
        `本机时钟可能有误：当前为 ${time}，而服务端证书自 ${start} 起有效；请校准时钟`,
      );
    }
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return t(
        `the server's certificate is for another name than ${server.host}: use the name it was made for, or have one made for this name`,
        `服务端证书不是签发给 ${server.host} 的：请使用证书中的名称，或为该名称签发证书`,
      );
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "CERT_SIGNATURE_FAILURE":
      return ca
        ? t(
            `the server's certificate is not of the authority in HIL_CA_FILE (${code})`,
            `服务端证书不是由 HIL_CA_FILE 中的 CA 签发（${code}）`,
          )
        : t(
            `this host does not know who made the server's certificate (${code}): name the authority's certificate in HIL_CA_FILE; a proxy that looks into connections has one of its own`,
            `本机不信任服务端证书的签发者（${code}）：请在 HIL_CA_FILE 中指定 CA 证书；会解密流量的代理有自己的 CA`,
          );
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
      return t(
        `the server does not encrypt at this port: write http://${server.host}:${server.port}, or use its port with TLS`,
        `服务端在该端口不使用加密：请写 http://${server.host}:${server.port}，或改用其 TLS 端口`,
      );
    case "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED":
    case "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE":
    case "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE":
      return t(
        "the server asks for a certificate of this relay: set HIL_CERT_FILE and HIL_KEY_FILE",
        "服务端要求中转出示证书：请设置 HIL_CERT_FILE 和 HIL_KEY_FILE",
      );
    case "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA":
    case "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE":
    case "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED":
    case "ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN":
      return t(
        `the server does not take the certificate of HIL_CERT_FILE (${code})`,
        `服务端不接受 HIL_CERT_FILE 中的证书（${code}）`,
      );
    case "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL":
      return noHttp2(server, t);
    case "ETIMEDOUT":
      return t("the server does not go on with the encryption", "服务端没有完成加密握手");
    default:
      return t(
        `no encrypted connection comes about (${code || error.message})`,
        `无法建立加密连接（${code || error.message}）`,
      );
  }
}

/** What to say of a server that speaks no HTTP/2. */
export function noHttp2({ host, port }: Way["server"], t: Translate): string {
  return t(
    `what answers at ${host}:${port} does not speak HTTP/2, which the relay needs: in nginx, "http2 on" and grpc_pass; check that this is the relay's address`,
    `${host}:${port} 不支持中转所需的 HTTP/2：nginx 需要 "http2 on" 和 grpc_pass；请确认这是中转地址`,
  );
}

/** What to say of a clock that differs from the server's. Undefined: they agree. */
export function clockWords(serverTime: Date, now: Date, t: Translate): string | undefined {
  const aheadMs = now.getTime() - serverTime.getTime();
  if (Math.abs(aheadMs) < CLOCK_SLACK_MS) return undefined;
  return t(
    `this host's clock is wrong: it says ${now.toISOString()}, the server's ${serverTime.toISOString()}; set it`,
    `本机时钟有误：本机为 ${now.toISOString()}，服务端为 ${serverTime.toISOString()}；请校准`,
  );
}
