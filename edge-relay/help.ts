import type { Locale } from "@hil/platform/config/locale.ts";
import { SETTINGS, type Setting, WITHOUT_EFFECT } from "./settings.ts";

/** What --help prints. */
export function helpText(locale: Locale): string {
  const settings = Object.values(SETTINGS).map((setting: Setting) => {
    const names = [setting.flag && `--${setting.flag}`, setting.variable].filter(Boolean).join(", ");
    return `  ${names}\n      ${setting.help[locale]}`;
  });
  return locale === "zh-CN"
    ? `hil-relay：在内网主机上运行机器人，只向外建立一条连接到 HIL。

用法: hil-relay [选项]             运行，直到被停止
      hil-relay --check [选项]     逐步检查到服务端的通路，说明问题所在

参数优先于环境变量，环境变量优先于配置文件。

  --config, HIL_RELAY_CONFIG
      YAML 配置文件；键名见下方变量对应的小写形式，多个机器人写在 channels 中
${settings.join("\n")}
  --check        检查后退出，有问题时退出码为 1
  --help, --version

机器人的其他设置: WECOM_API_URL、WECOM_ROBOT_KIND、WECOM_ROBOT_MESSAGES_PER_MINUTE。
代理: grpc_proxy、https_proxy、http_proxy、all_proxy、no_proxy，可含用户名和密码。
日志文件: HIL_LOG_FILE、HIL_LOG_FILE_MIB、HIL_LOG_FILES。
接受但不再有作用: ${WITHOUT_EFFECT.join("、")}。

退出码: 0 正常停止，1 检查发现问题，70 程序故障，76 版本过旧，77 凭证被拒绝，78 配置错误。
`
    : `hil-relay: runs robots on an intranet host and reaches HIL by one connection that it opens itself.

Usage: hil-relay [options]             run until it is told to stop
       hil-relay --check [options]     test the way to the server step by step, and say what is in it

A flag wins over a variable, a variable over the configuration file.

  --config, HIL_RELAY_CONFIG
      a YAML file; its keys are those of docs/relay.md, several robots stand under "channels"
${settings.join("\n")}
  --check        test and end, with 1 where something is wrong
  --help, --version

More about the robot: WECOM_API_URL, WECOM_ROBOT_KIND, WECOM_ROBOT_MESSAGES_PER_MINUTE.
Proxies: grpc_proxy, https_proxy, http_proxy, all_proxy, no_proxy; they may hold a user name and a password.
Log files: HIL_LOG_FILE, HIL_LOG_FILE_MIB, HIL_LOG_FILES.
Accepted, with no effect any more: ${WITHOUT_EFFECT.join(", ")}.

It ends with 0 when it was told to, 1 where a check found something, 70 on a fault of its own, 76 where it is too old for
the server, 77 where its credential is refused, 78 where its settings are wrong.
`;
}
