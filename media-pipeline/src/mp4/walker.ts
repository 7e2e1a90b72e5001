/** A complete moof+mdat in a segment. */
export interface FoundChunk {
  offset: number;
  bytes: number;
  /** In ticks of the track. */
  ticks: number;
  durationTicks: number;
  key: boolean;
}

/** The complete chunks of a segment's bytes from `offset` on, in order; what is torn or makes no sense ends the walk without an error. */
export function* walkChunks(_bytes: Buffer, _offset = 0): Generator<FoundChunk> {}
