import { defineTexts } from "../../ui/language.ts";

export const texts = defineTexts({
  zh: {
    title: "告警",
    since: (instant: string) => `自 ${instant}`,
    proven: (instant: string) => `最后证实于 ${instant}`,
    unheard: "告警暂时读不到，可能有未显示的告警",
    subject: { space: "剩余空间不足", disk: "接收目录", store: "主存储", backup: "第二副本" },
    why: { ENOSPC: "磁盘已满", EIO: "磁盘故障", EROFS: "磁盘只读", ENOENT: "未挂载" },
    runbook: (reason: string) => `处理办法见 docs/runbooks/${reason}.md`,
  },
  en: {
    title: "Alarms",
    since: (instant: string) => `since ${instant}`,
    proven: (instant: string) => `last proven at ${instant}`,
    unheard: "alarms can't be read now: there may be some that are not shown",
    subject: { space: "free space", disk: "folder of what comes in", store: "first copy", backup: "second copy" },
    why: { ENOSPC: "disk full", EIO: "disk broken", EROFS: "disk read-only", ENOENT: "not mounted" },
    runbook: (reason: string) => `what to do: docs/runbooks/${reason}.md`,
  },
});
