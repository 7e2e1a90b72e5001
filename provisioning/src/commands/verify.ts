import { readFileSync } from "node:fs";
import { type Verified, verifyExport } from "@xiezhi/media/verify/verify.ts";

const KEY_MAX_CHARACTERS = 1000;

/** `xiezhi verify`. Returns the exit code: 0 when the export is whole and untouched, 1 when not, 2 when nothing could be read. */
export function verify(folder: string, options: { json?: boolean; key?: string }): number {
  let verified: Verified;
  try {
    const trustedKey = options.key === undefined ? undefined : readFileSync(options.key, "utf8").slice(0, KEY_MAX_CHARACTERS);
    verified = verifyExport(folder, trustedKey === undefined ? {} : { trustedKey });
  } catch (error) {
    const en = `can't be read: ${(error as Error).message}`;
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ ok: false, problems: [{ track: "", atSeconds: null, what: "malformed", zh: "无法读取", en }] })}\n`
        : `${en}\n`,
    );
    return 2;
  }
  process.stdout.write(options.json ? `${JSON.stringify(verified)}\n` : inWords(verified));
  return verified.ok ? 0 : 1;
}

function inWords(verified: Verified): string {
  const lines = [
    verified.ok ? "完整，未被改动 · whole and untouched" : "发现问题 · problems found",
    `take ${printable(verified.takeId)} · ${printable(verified.signedBy)} · ${verified.entries} entries · ${verified.checkpoints} checkpoints · ${verified.bytes} bytes`,
    ...verified.problems.map(({ track, atSeconds, what, zh, en }) =>
      ["✗", what, atSeconds === null ? "" : `${atSeconds} s`, track, en, `（${zh}）`].filter(Boolean).map(printable).join(" "),
    ),
    ...(verified.problemsLeftOut > 0 ? [`  ... and ${verified.problemsLeftOut} more`] : []),
    ...verified.declaredGaps.map(({ track, fromSeconds, toSeconds, lostParcels }) =>
      printable(
        `- declared by the ledger: ${track} ${fromSeconds} s to ${toSeconds} s${lostParcels > 0 ? `, ${lostParcels} parcels lost` : ""}`,
      ),
    ),
    ...verified.notExamined.map(({ zh, en }) => `? not examined: ${en}（${zh}）`),
  ];
  return `${lines.join("\n")}\n`;
}

/** Names come from the folder that is examined: no terminal codes from it. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "�");
}
