import type { SourceSpec, TrackSpec } from "@xiezhi/media/capture/wire.ts";
import type { RoomTrack, SourceAddress } from "../recording.model.ts";

/** A worker has so many devices at most. */
const DEVICES_MAX = 8;

/** Which devices which worker receives: follows from the room's configuration alone, so that each agent finds the same. */
export function devicesOfWorkers(tracks: readonly RoomTrack[]): string[][] {
  const devices = [...new Set([...tracks].sort((a, b) => a.number - b.number).map((track) => track.deviceId))];
  const groups: string[][] = [];
  for (let at = 0; at < devices.length; at += DEVICES_MAX) groups.push(devices.slice(at, at + DEVICES_MAX));
  return groups;
}

/** What a worker is told to receive. Tracks of one session share a source: it is opened once. */
export function sourcesOf(tracks: readonly RoomTrack[]): SourceSpec[] {
  const sources = new Map<string, SourceSpec>();
  for (const track of tracks) {
    addTrack(sources, track, "evidence", track.main);
    if (track.small) addTrack(sources, track, "small", track.small);
  }
  return [...sources.values()];
}

function addTrack(sources: Map<string, SourceSpec>, track: RoomTrack, role: SourceSpec["role"], address: SourceAddress | undefined): void {
  const key = JSON.stringify([track.deviceId, role, address?.url, address?.username]);
  const id = `${track.deviceId}${role === "small" ? "-small" : ""}`;
  const source = sources.get(key) ?? { id, role, tracks: [], ...connectionOf(address, track.reason) };
  sources.set(key, source);
  const { id: trackId, number, kind } = track;
  const spec: TrackSpec = { id: trackId, number, kind, rtspTrack: address?.rtspTrack ?? 0 };
  source.tracks.push(address?.channel === undefined ? spec : { ...spec, channel: address.channel });
}

function connectionOf(address: SourceAddress | undefined, reason = ""): Pick<SourceSpec, "url" | "username" | "password" | "reason"> {
  if (!address) return { reason };
  const { url, username, password } = address;
  return { url, ...(username === undefined ? {} : { username }), ...(password ? { password: password.reveal() } : {}) };
}
