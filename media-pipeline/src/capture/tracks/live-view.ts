import { Packager } from "../packager.ts";
import type { AccessUnit, TrackFormat } from "../unit.ts";

/** Where live pieces go. */
export interface LiveSink {
  header(number: number, small: boolean, format: TrackFormat, header: Buffer): void;
  chunk(number: number, small: boolean, key: boolean, arrivedUs: number, parts: readonly Buffer[]): void;
}

/** A track as somebody sees or hears it now. Its time is the machine's monotonic clock: one axis for all tracks of a room. */
export class LiveView {
  private readonly number: number;
  private readonly small: boolean;
  private readonly sink: LiveSink;
  private packager: Packager | undefined;
  private begun = false;

  constructor(number: number, small: boolean, sink: LiveSink) {
    this.number = number;
    this.small = small;
    this.sink = sink;
  }

  get watched(): boolean {
    return this.packager !== undefined;
  }

  /** Begins with what the ring holds, so that a picture is there at once. */
  open(units: readonly AccessUnit[]): void {
    this.begun = false;
    this.packager = new Packager({
      t0Us: 0,
      onStretch: ({ format, bytes }) => this.sink.header(this.number, this.small, format, bytes),
      onChunk: (chunk) => this.sink.chunk(this.number, this.small, chunk.key, chunk.arrivedUs, chunk.parts),
    });
    for (const unit of units) this.push(unit);
  }

  push(unit: AccessUnit): void {
    if (!this.packager || (!this.begun && !unit.key)) return;
    this.begun = true;
    this.packager.push(unit);
  }

  poll(nowUs: number): void {
    this.packager?.poll(nowUs);
  }

  close(): void {
    this.packager = undefined;
  }
}
