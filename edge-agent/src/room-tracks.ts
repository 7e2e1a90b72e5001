import type { AgentConfig } from "./agent.config.ts";
import type { Devices } from "./devices/devices.part.ts";
import type { RoomTrack, SourceAddress } from "./recording/recording.model.ts";

/** The room's tracks in the order of its configuration, with the places that the drivers name now. */
export function roomTracks(config: AgentConfig, devices: Devices): RoomTrack[] {
  const tracks: RoomTrack[] = [];
  for (const device of config.devices)
    for (const { id, seat, label, media, small } of device.tracks) {
      const found = devices.medium(device.id, media);
      const second = small === undefined ? undefined : devices.medium(device.id, small).source;
      tracks.push({
        number: tracks.length + 1,
        id,
        kind: media.startsWith("mic-") ? "audio" : "video",
        deviceId: device.id,
        seatId: seat,
        label,
        ...(found.source ? { main: addressOf(found.source) } : { reason: found.reason }),
        ...(second && { small: addressOf(second) }),
      });
    }
  return tracks;
}

function addressOf({ url, username, password, rtspTrack, channel }: SourceAddress): SourceAddress {
  return {
    url,
    rtspTrack,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(channel === undefined ? {} : { channel }),
  };
}
