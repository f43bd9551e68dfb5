// Everything that the relay can be told, by all the names that it has.

import type { Locale } from "@hil/platform/config/locale.ts";

export interface Setting {
  /** Undefined for what must not be seen in a list of processes. */
  readonly flag?: string;
  readonly variable: string;
  /** Its key in the configuration file. */
  readonly key: string;
  readonly help: Readonly<Record<Locale, string>>;
}

/** A flag wins over a variable, a variable over the file. */
export const SETTINGS = {
  url: {
    flag: "url",
    variable: "HIL_URL",
    key: "url",
    help: {
      en: "where the server takes relays, such as https://hil.example.com (grpc://127.0.0.1:8082)",
      "zh-CN": "服务端的中转地址，如 https://hil.example.com（默认 grpc://127.0.0.1:8082）",
    },
  },
  token: {
    variable: "HIL_TOKEN",
    key: "token",
    help: {
      en: "the credential that `hil relay create NAME` printed",
      "zh-CN": "由 `hil relay create 名称` 打印的凭证",
    },
  },
  tokenFile: {
    flag: "token-file",
    variable: "HIL_TOKEN_FILE",
    key: "token_file",
    help: { en: "a file that holds it", "zh-CN": "保存凭证的文件" },
  },
  caFile: {
    flag: "ca-file",
    variable: "HIL_CA_FILE",
    key: "ca_file",
    help: {
      en: "certificates (PEM) of who may vouch for the server, instead of the system's",
      "zh-CN": "信任的 CA 证书（PEM），代替系统证书",
    },
  },
  certFile: {
    flag: "cert-file",
    variable: "HIL_CERT_FILE",
    key: "cert_file",
    help: {
      en: "the relay's own certificate (PEM), where the server asks for one (mTLS)",
      "zh-CN": "中转自己的证书（PEM），用于双向 TLS",
    },
  },
  keyFile: {
    flag: "key-file",
    variable: "HIL_KEY_FILE",
    key: "key_file",
    help: { en: "the key of that certificate (PEM)", "zh-CN": "该证书的私钥（PEM）" },
  },
  dataDir: {
    flag: "data-dir",
    variable: "HIL_DATA_DIR",
    key: "data_dir",
    help: {
      en: "the folder that keeps what was not handed over yet (./relay-data)",
      "zh-CN": "保存未交付消息的目录（默认 ./relay-data）",
    },
  },
  callbackHost: {
    flag: "callback-host",
    variable: "CALLBACK_HOST",
    key: "callback_host",
    help: {
      en: "where callbacks are heard: all addresses where CALLBACK_AUTH_VALUE is set, else 127.0.0.1",
      "zh-CN": "回调监听地址：设置了 CALLBACK_AUTH_VALUE 时为所有地址，否则为 127.0.0.1",
    },
  },
  callbackPort: {
    flag: "callback-port",
    variable: "CALLBACK_PORT",
    key: "callback_port",
    help: { en: "the port for callbacks (8082)", "zh-CN": "回调端口（默认 8082）" },
  },
  callbackAuthKey: {
    variable: "CALLBACK_AUTH_KEY",
    key: "callback_auth_key",
    help: {
      en: "the header in which whoever calls back must show CALLBACK_AUTH_VALUE (x-api-key, which is looked at too)",
      "zh-CN": "回调方出示 CALLBACK_AUTH_VALUE 的请求头（默认 x-api-key，后者始终有效）",
    },
  },
  callbackAuthValue: {
    variable: "CALLBACK_AUTH_VALUE",
    key: "callback_auth_value",
    help: { en: "what must be in that header", "zh-CN": "该请求头的值" },
  },
  channel: {
    flag: "channel",
    variable: "HIL_CHANNEL",
    key: "channel",
    help: {
      en: "the channel that the robot of BOT_KEY is (wecom-robot)",
      "zh-CN": "BOT_KEY 机器人对应的通道（默认 wecom-robot）",
    },
  },
  botKey: {
    variable: "BOT_KEY",
    key: "bot_key",
    help: { en: "the robot's key; it never leaves this host", "zh-CN": "机器人密钥，不会离开本机" },
  },
  spoolMib: {
    flag: "spool-mib",
    variable: "HIL_SPOOL_MIB",
    key: "spool_mib",
    help: {
      en: "how much may wait for the server, in MiB; beyond it callbacks get 503 (1024)",
      "zh-CN": "允许积压的大小（MiB），超过后回调返回 503（默认 1024）",
    },
  },
  logLevel: {
    flag: "log-level",
    variable: "HIL_LOG_LEVEL",
    key: "log_level",
    help: {
      en: "trace, debug, info, warn, error, fatal or silent (info)",
      "zh-CN": "日志级别：trace、debug、info、warn、error、fatal 或 silent（默认 info）",
    },
  },
  workerId: {
    flag: "id",
    variable: "WORKER_ID",
    key: "id",
    help: {
      en: "the relay's name, as you believe it; it comes from the credential",
      "zh-CN": "中转名称（仅供核对），实际取自凭证",
    },
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;

/** Variables of the earlier worker that have nothing to say any more. */
export const WITHOUT_EFFECT = [
  "RECONNECT_DELAY",
  "MAX_RECONNECT_DELAY",
  "HEARTBEAT_INTERVAL",
  "HEARTBEAT_TIMEOUT",
] as const;
