/** Ticks a second of all take times of pictures and of sound, whatever rate their source counts in. */
export const VIDEO_TIMESCALE = 90_000;
export const SOUND_TIMESCALE = 48_000;

/** Pictures as a stretch holds them; made anew when the parameter sets that a key frame uses have changed. */
export interface VideoFormat {
  kind: "video";
  /** RFC 6381, such as avc1.640028. */
  codec: string;
  width: number;
  height: number;
  /** NAL units without start code or length. */
  sps: readonly Buffer[];
  pps: readonly Buffer[];
  /** Ticks a second of `sourceTicks`. */
  sourceRate: number;
}

/** Sound as a stretch holds it: AAC. */
export interface SoundFormat {
  kind: "audio";
  /** RFC 6381, such as mp4a.40.2. */
  codec: string;
  /** Of the samples in a frame, a second. */
  sampleRate: number;
  channels: number;
  /** AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1). */
  config: Buffer;
  /** Samples of a frame for one channel: 1024, or 960. */
  frameSamples: number;
  /** Ticks a second of `sourceTicks`: differs from `sampleRate` where the sound was encoded here. */
  sourceRate: number;
  /** What came in before it was encoded here, such as PCMA/8000. */
  encodedFrom?: string;
  /** SOUND_TIMESCALE ticks that were subtracted from the encoder's times. */
  encoderDelayTicks?: number;
}

/** What an initialisation header is made of. Units of one stretch name the same object; another object is another stretch. */
export type TrackFormat = VideoFormat | SoundFormat;

/** One picture, or the sound frames of one packet, as they will be stored. Nobody changes one after it was made. */
export interface AccessUnit {
  format: TrackFormat;
  /** Presentation on the machine's monotonic axis (`clock.monoUs()`), microseconds with fraction. */
  timeUs: number;
  /** The source's own time: RTP timestamp, unwrapped within the connection, `format.sourceRate` a second. */
  sourceTicks: number;
  /** When its last byte was read from the socket. */
  arrivedUs: number;
  /** Decodes without any earlier unit. Always for sound. */
  key: boolean;
  /** Something that it depends on was lost: true up to the next key frame. */
  damaged: boolean;
  /** Packets missing between the unit before and this one; what they held is nowhere. */
  lostPackets: number;
  /** Source time does not go on from the unit before (the source's clock jumped): begins a new stretch. */
  discontinuity: boolean;
  /** The bytes for mdat. H.264: NAL units, each behind its length in 4 bytes. AAC: raw frames, one behind the other. */
  data: Buffer;
  /** Lengths of the frames in `data` when there are several. */
  frameBytes?: readonly number[];
  /**
   * Sound that was encoded here: nothing the source said from this instant on has a part in the unit (its window reaches
   * past its own end). Whoever pauses keeps only units whose `untilUs` lies before the pause.
   */
  untilUs?: number;
}

interface UnencodedUnit {
  /** Of the first sample, as in `AccessUnit`. */
  timeUs: number;
  sourceTicks: number;
  arrivedUs: number;
  lostPackets: number;
  discontinuity: boolean;
}

/** Sound samples of one microphone before they are encoded; `sourceTicks` counts samples. */
export interface SampleUnit extends UnencodedUnit {
  /** 16 bit, little endian, one channel. */
  samples: Buffer;
}

/** AAC that is decoded and encoded anew before it is stored: the frames of a packet, with all their channels. */
export interface FrameUnit extends UnencodedUnit {
  frames: readonly Buffer[];
}
