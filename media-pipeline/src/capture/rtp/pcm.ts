import type { RtspTrackInfo } from "@xiezhi/rtsp/sdp.ts";
import type { SampleUnit } from "../unit.ts";

/** Samples of all channels of a packet, one after the other in time. */
export type Samples = Int16Array<ArrayBuffer>;

const SILENCE_DBFS = -100;
const FULL_SCALE = 32_768;

/** ITU-T G.711 table 1a: A-law, every second bit inverted on the wire. */
const A_LAW = Int16Array.from({ length: 256 }, (_, code) => {
  const value = code ^ 0x55;
  const exponent = (value >> 4) & 7;
  const mantissa = (value & 15) * 16 + 8;
  const magnitude = exponent === 0 ? mantissa : (mantissa + 256) << (exponent - 1);
  return value & 0x80 ? magnitude : -magnitude;
});

/** ITU-T G.711 table 2a: µ-law, all bits inverted on the wire. */
const MU_LAW = Int16Array.from({ length: 256 }, (_, code) => {
  const value = ~code & 0xff;
  const magnitude = (((value & 15) * 8 + 132) << ((value >> 4) & 7)) - 132;
  return value & 0x80 ? -magnitude : magnitude;
});

/** How an encoding's payload becomes samples; undefined for what is no plain sound. */
export function sampleReader(info: RtspTrackInfo): ((payload: Buffer) => Samples) | undefined {
  if (info.encoding === "PCMA") return (payload) => expanded(payload, A_LAW);
  if (info.encoding === "PCMU") return (payload) => expanded(payload, MU_LAW);
  return info.encoding === "L16" ? readL16 : undefined;
}

function expanded(payload: Buffer, law: Int16Array): Samples {
  const samples = new Int16Array(payload.length);
  for (let index = 0; index < samples.length; index++) samples[index] = law[payload[index] as number] as number;
  return samples;
}

/** Network order (RFC 3551 clause 4.5.11). */
function readL16(payload: Buffer): Samples {
  const samples = new Int16Array(payload.length >> 1);
  for (let index = 0; index < samples.length; index++) samples[index] = payload.readInt16BE(index * 2);
  return samples;
}

/** One channel out of `channels`, or all of them mixed down; a sample that is not there for all channels is left out. */
function oneChannel(samples: Samples, channels: number, channel: number | undefined): Samples {
  if (channels === 1) return samples;
  const picked = new Int16Array(Math.floor(samples.length / channels));
  for (let index = 0; index < picked.length; index++) {
    const frame = index * channels;
    if (channel !== undefined) picked[index] = samples[frame + channel] ?? 0;
    else picked[index] = mean(samples, frame, channels);
  }
  return picked;
}

function mean(samples: Samples, from: number, count: number): number {
  let sum = 0;
  for (let at = from; at < from + count; at++) sum += samples[at] as number;
  return Math.round(sum / count);
}

/** What a depacketizer knows of samples; the receiver adds the time at which they were taken. */
export type UntimedSamples = Omit<SampleUnit, "timeUs" | "discontinuity">;

/** RTP payloads of one G.711 or L16 track to samples, for each microphone in it (RFC 3551 clauses 4.5.11, 4.5.14). */
export class SampleDepacketizer {
  private readonly read: (payload: Buffer) => Samples;
  private readonly channels: number;
  private readonly picks: readonly (number | undefined)[];
  private readonly emit: (units: UntimedSamples[]) => void;
  private lostPackets = 0;

  /** `picks`: which channel each microphone is. `emit` gets one unit for each of them. */
  constructor(options: {
    read: (payload: Buffer) => Samples;
    channels: number;
    picks: readonly (number | undefined)[];
    emit: (units: UntimedSamples[]) => void;
  }) {
    this.read = options.read;
    this.channels = options.channels;
    this.picks = options.picks;
    this.emit = options.emit;
  }

  push(payload: Buffer, ticks: number, _marker: boolean, missing: number, arrivedUs: number): void {
    this.lostPackets += missing;
    const all = this.read(payload);
    if (all.length < this.channels) return;
    const { lostPackets } = this;
    this.lostPackets = 0;
    this.emit(
      this.picks.map((pick) => {
        const { buffer, byteOffset, byteLength } = oneChannel(all, this.channels, pick);
        return { sourceTicks: ticks, arrivedUs, lostPackets, samples: Buffer.from(buffer, byteOffset, byteLength) };
      }),
    );
  }

  reset(): void {
    this.lostPackets = 0;
  }
}

/** Of 16 bit samples, in dB below full scale; silence is -100. Costs a few µs for 20 ms of sound. */
export function levelsOf(samples: Buffer): { rmsDbfs: number; peakDbfs: number } {
  const values = new Int16Array(samples.buffer, samples.byteOffset, samples.length >> 1);
  let sum = 0;
  let peak = 0;
  for (const value of values) {
    sum += value * value;
    const magnitude = value < 0 ? -value : value;
    if (magnitude > peak) peak = magnitude;
  }
  return { rmsDbfs: dbfs(Math.sqrt(sum / Math.max(1, values.length))), peakDbfs: dbfs(peak) };
}

function dbfs(amplitude: number): number {
  return amplitude < 1 ? SILENCE_DBFS : Math.max(SILENCE_DBFS, 20 * Math.log10(amplitude / FULL_SCALE));
}
