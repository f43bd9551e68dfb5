// What was measured, in words.

import { SLICE_PARAMETER, type Way } from "../clients/client-entry.ts";
import { type Findings, findingsOf, measuredEntry } from "./findings.ts";
import type { Trial, TrialEnd } from "./trial.ts";

/** Picks the text of the person's language. */
type Translate = (en: string, zh: string) => string;

/**
 * A table for each client, and what to set. `wayOf` says how an entry reaches HIL. The lines are ready to be printed.
 */
export function findingsText(
  trials: readonly Trial[],
  t: Translate,
  wayOf: (kind: Trial["way"]) => Way,
): string[] {
  const all = findingsOf(trials);
  if (all.length === 0) return [t("Nothing has been measured yet.", "尚无测量结果。")];
  return all.flatMap((findings, index) => [
    ...(index > 0 ? [""] : []),
    ...table(findings, t),
    "",
    ...advice(findings, t, wayOf(findings.way)),
  ]);
}

function table({ client, way, hasToken, trials }: Findings, t: Translate): string[] {
  const over = way === "http" ? "HTTP" : "stdio";
  const token = hasToken
    ? t("it asks for progress", "请求进度通知")
    : t("it asks for no progress", "不请求进度通知");
  const rows = trials.map((trial) => [
    t(`${trial.heldS} s`, `${trial.heldS} 秒`),
    trial.withProgress ? t("with progress", "有进度通知") : t("without", "无进度通知"),
    endWords(trial.end, t),
  ]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return [
    t(`${client} over ${over}; ${token}`, `${client}（${over}）；${token}`),
    ...rows.map(
      ([held, progress, end]) => `  ${held!.padStart(widths[0]!)}  ${progress!.padEnd(widths[1]!)}  ${end}`,
    ),
  ];
}

/** How a call ended. */
export function endWords(end: TrialEnd, t: Translate): string {
  switch (end.kind) {
    case "received":
      return t("held: the client has the answer", "已收到结果");
    case "answered":
      return t(
        "answered, but the client did not show that it has the answer",
        "已返回结果，但客户端未证实收到",
      );
    case "given-up":
      return t(
        `given up after ${end.afterS} s${end.why === "" ? "" : ` (${end.why})`}`,
        `${end.afterS} 秒后放弃${end.why === "" ? "" : `（${end.why}）`}`,
      );
    case "open":
      return t(
        `under way, or ended with its process after ${end.aliveS} s or a little more`,
        `进行中，或在约 ${end.aliveS} 秒后随进程终止`,
      );
  }
}

function advice(findings: Findings, t: Translate, way: Way): string[] {
  const { heldS, heldWithProgressS, sliceS } = findings;
  const lines: string[] = [];
  if (Math.max(heldS, heldWithProgressS ?? 0) === 0) {
    lines.push(
      t(
        "→ It held none of these calls: raise its own limit for tools, and measure again.",
        "→ 所有调用均未成功：请先调高客户端自身的工具超时，再重新测量。",
      ),
    );
  } else if (heldWithProgressS !== undefined && heldWithProgressS > heldS) {
    lines.push(t("→ Progress keeps its calls alive.", "→ 进度通知可延长其等待时间。"));
  }
  lines.push(
    findings.way === "stdio"
      ? t(
          `→ Let one call wait ${sliceS} s: HIL_MCP_SLICE_SECONDS=${sliceS} in "env" of its entry.`,
          `→ 单次调用建议等待 ${sliceS} 秒：在配置项的 "env" 中设置 HIL_MCP_SLICE_SECONDS=${sliceS}。`,
        )
      : t(
          `→ Let one call wait ${sliceS} s: …/mcp?${SLICE_PARAMETER}=${sliceS} as the address of its entry.`,
          `→ 单次调用建议等待 ${sliceS} 秒：配置项地址写为 …/mcp?${SLICE_PARAMETER}=${sliceS}。`,
        ),
  );
  const entry = measuredEntry(findings, way.kind === "http" ? withSlice(way, sliceS) : way);
  if (entry) {
    lines.push("", t(`For ${entry.place}:`, `写入 ${entry.place}：`), ...entry.text.split("\n"));
  }
  return lines;
}

function withSlice(way: Extract<Way, { kind: "http" }>, sliceS: number): Way {
  const url = new URL(way.url);
  url.searchParams.set(SLICE_PARAMETER, String(sliceS));
  return { kind: "http", url: url.href };
}
