// A tenant's statistics for people.

import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import type { GetStatisticsResponse, Statistics } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { writeLength } from "../duration.ts";
import { oneLine, tableLines } from "../table.ts";
import type { Terminal } from "../terminal.ts";

/** One line for the whole time, each project and each day, in columns, and what is used now. */
export function statisticsLines(
  { total, projects, days, openNow, attachmentBytesNow }: GetStatisticsResponse,
  { t, columns }: Pick<Terminal, "t" | "columns">,
): string[] {
  const head = [
    "",
    t("ASKED", "提问"),
    t("OPEN", "等待"),
    t("ANSWERED", "已答"),
    t("REFUSED", "拒绝"),
    t("EXPIRED", "超时"),
    t("CANCELLED", "取消"),
    t("UNDELIVERABLE", "未达"),
    t("MEDIAN", "中位用时"),
    t("P90", "P90"),
  ];
  const rows = [
    row(t("all", "合计"), total),
    ...projects.map(({ projectName, statistics }) => row(oneLine(projectName) || "–", statistics)),
    ...days.map(({ date, statistics }) => row(date, statistics)),
  ];
  const megabytes = (Number(attachmentBytesNow) / 1024 / 1024).toFixed(1);
  return [
    ...tableLines([head, ...rows], { columns, flexible: 0 }),
    "",
    t(
      `Now ${openNow} open, ${megabytes} MiB of attachments.`,
      `当前等待中 ${openNow} 个，附件 ${megabytes} MiB。`,
    ),
  ];
}

function row(name: string, statistics: Statistics | undefined): string[] {
  const { created, open, answered, rejected, expired, cancelled, undeliverable } = statistics ?? {};
  const counts = [created, open, answered, rejected, expired, cancelled, undeliverable];
  return [
    name,
    ...counts.map((count) => String(count ?? 0)),
    length(statistics?.medianTimeToAnswer),
    length(statistics?.p90TimeToAnswer),
  ];
}

function length(duration: Duration | undefined): string {
  return duration ? writeLength(durationMs(duration)) : "–";
}
