import type { AccessUnit } from "../unit.ts";

/** A camera that sends no key frame for so long is begun at its next one. */
const VIDEO_MAX_BYTES = 24 * 1024 * 1024;
/** Sound that is kept for the time since the oldest key frame of the room's cameras. */
const SOUND_KEPT_US = 5e6;
/** So many units too old are dropped at once. */
const SOUND_STEP = 50;

/**
 * The last units of a track: pictures from the newest key frame on, sound of some seconds. A take begins with them, and a
 * live view shows them first.
 */
export class WarmRing {
  private readonly kind: "video" | "audio";
  private kept: AccessUnit[] = [];
  private bytes = 0;
  private held = false;

  constructor(kind: "video" | "audio") {
    this.kind = kind;
  }

  get units(): readonly AccessUnit[] {
    return this.kept;
  }

  add(unit: AccessUnit): void {
    if (this.kind === "video") {
      if (unit.key && !this.held) this.clear();
      if (!unit.key && this.kept.length === 0) return;
    } else if (!this.held) this.dropOld(unit.timeUs - SOUND_KEPT_US);
    this.kept.push(unit);
    this.bytes += unit.data.length;
    if (this.bytes > VIDEO_MAX_BYTES) this.clear();
  }

  /** While held nothing is dropped for being old: a take is about to begin with it. */
  hold(on: boolean): void {
    this.held = on;
  }

  clear(): void {
    this.kept = [];
    this.bytes = 0;
  }

  /** In steps: taking one unit from the front for each that comes would move the whole list each time. */
  private dropOld(beforeUs: number): void {
    const { kept } = this;
    if (kept.length <= SOUND_STEP || (kept[SOUND_STEP] as AccessUnit).timeUs >= beforeUs) return;
    let old = 0;
    for (; old < kept.length && (kept[old] as AccessUnit).timeUs < beforeUs; old++) this.bytes -= (kept[old] as AccessUnit).data.length;
    kept.splice(0, old);
  }
}
