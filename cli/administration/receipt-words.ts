// Decision receipts in words for a terminal.

import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Receipt } from "@hil/gen/hil/session/v1/receipt_pb.ts";
import { answeredBy, answerWords, headline } from "../session-words.ts";
import { oneLine, printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";

/** What a receipt states: times in UTC, because it is read elsewhere and later. */
export function receiptLines(receipt: Receipt, keyId: string, { t }: Pick<Terminal, "t">): string[] {
  const { question, answer } = receipt;
  const decided = question && answer?.value ? answerWords(question, answer.value) : "";
  return [
    `[#${receipt.shortId}] ${question ? headline(question) : ""}`,
    "",
    ...(question?.body ? [printable(question.body), ""] : []),
    `  ${t("decided", "结果")}   ${decided}`,
    ...(answer?.note ? [`  ${t("note", "备注")}      ${printable(answer.note)}`] : []),
    `  ${t("by", "回答者")}        ${answer ? answeredBy(answer, t) : ""}`,
    `  ${t("at", "时间")}        ${utc(answer?.answerTime)}`,
    `  ${t("asked", "提问")}     ${utc(receipt.createTime)} ${t("by", "来自")} ${oneLine(receipt.askerId)}`,
    `  ${t("session", "会话")}   ${oneLine(receipt.sessionId)} (${t("tenant", "租户")} ${oneLine(receipt.tenantId)})`,
    `  ${t("digest", "摘要")}    ${oneLine(receipt.questionDigest)}`,
    `  ${t("signed", "签名")}    ${keyId} (${t("deployment", "部署")} ${oneLine(receipt.deploymentId)})`,
  ];
}

function utc(time: Timestamp | undefined): string {
  return time ? timestampDate(time).toISOString() : "–";
}
