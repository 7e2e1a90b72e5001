import type { ExportedTrack } from "@xiezhi/media/export/manifest.ts";
import type { ProcessUse } from "../demo/proc.ts";

/** What the headless hearing prints. Field names are a contract. */
export interface HearingReport {
  ok: boolean;
  hearing: string;
  /** Case number. */
  case: string;
  room: string;
  take: string;
  /** UTC of take time 0, RFC 3339. */
  startedAt: string;
  seconds: number;
  buttonToFirstParcelMs: number;
  steps: { device: string; step: string; ok: boolean; ms: number; reason?: string }[];
  tracks: ExportedTrack[];
  verify: { ok: boolean; entries: number; checkpoints: number };
  exportDir: string;
  processes: ProcessUse[];
  /** Why `ok` is false. */
  problems: string[];
}
