import { type EntryInit } from "@xiezhi/ledger/entries.ts";
import { create } from "@bufbuild/protobuf";
import { TakeModelBuilder } from "@xiezhi/ledger/model.ts";
import { type Entry, EntrySchema, GapCause } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";

/** What an agent must remember of a ledger while it writes it; grown entry by entry, and found again from the file. */
export class LedgerMemory {
  private readonly builder = new TakeModelBuilder();
  private readonly through = new Map<number, number>();
  /** Of each track, how many entries came out of journals. */
  readonly entered = new Map<number, number>();
  /** In which boot, and at which monotonic instant, the take's tick 0 lies. */
  zero = { bootId: "", monoUs: 0 };

  get model() {
    return this.builder.model;
  }

  addInit(entry: EntryInit): void {
    this.add(create(EntrySchema, entry));
  }

  add(entry: Entry): void {
    this.builder.add(entry);
    const { what } = entry;
    if (what.case === "takeStart") this.zero = { bootId: what.value.bootId, monoUs: Number(what.value.monoUs) };
    if (what.case === "restart") this.zero = { bootId: what.value.bootId, monoUs: Number(what.value.monoUs - entry.takeUs) };
    if (what.case === "parcel") {
      const track = this.model.tracks.find((it) => it.number === what.value.track);
      this.through.set(what.value.track, ((Number(what.value.ticks) + what.value.durationTicks) * 1e6) / (track?.timescale ?? 1));
    }
    const fromJournal = what.case === "parcel" || what.case === "stretchStart" || what.case === "anchor" || what.case === "gap";
    if (!fromJournal || (what.case === "gap" && what.value.parts.some(({ cause }) => cause === GapCause.LOST_BYTES))) return;
    this.entered.set(what.value.track, (this.entered.get(what.value.track) ?? 0) + 1);
  }

  /** Take time through which a track's parcels reach, microseconds; 0: none yet. */
  throughUs(track: number): number {
    return this.through.get(track) ?? 0;
  }
}
