/** A finished segment of one track as its playlist tells. Seconds of take time. */
export interface Segment {
  uri: string;
  /** The initialisation header of its stretch. */
  mapUri: string;
  startS: number;
  durationS: number;
  /** Listed, but its bytes are not there (EXT-X-GAP). */
  missing: boolean;
}

export interface Playlist {
  segments: Segment[];
  ended: boolean;
}

/** More lines than any take of 24 h has; a playlist is outside bytes too. */
const lineLimit = 200_000;

/**
 * Reads an HLS media playlist (RFC 8216) as the hub writes it: one EXT-X-MAP a stretch, EXT-X-PROGRAM-DATE-TIME for where a
 * segment lies. The media's own time stamps count take time, so this is only needed to know what to fetch.
 * @param zeroMs UTC ms of take time 0
 */
export function parsePlaylist(text: string, baseUrl: string, zeroMs: number): Playlist {
  const playlist: Playlist = { segments: [], ended: false };
  let mapUri = "";
  let durationS = 0;
  let atS = 0;
  let missing = false;
  for (const line of text.split(/\r?\n/, lineLimit)) {
    if (line.startsWith("#EXT-X-MAP:")) mapUri = new URL(/URI="([^"]*)"/.exec(line)?.[1] ?? "", baseUrl).href;
    else if (line.startsWith("#EXTINF:")) durationS = Number.parseFloat(line.slice(8)) || 0;
    else if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) atS = takeTime(line.slice(25), zeroMs) ?? atS;
    else if (line === "#EXT-X-GAP") missing = true;
    else if (line === "#EXT-X-ENDLIST") playlist.ended = true;
    else if (line !== "" && !line.startsWith("#")) {
      playlist.segments.push({ uri: new URL(line, baseUrl).href, mapUri, startS: atS, durationS, missing });
      atS += durationS;
      missing = false;
    }
  }
  return playlist;
}

function takeTime(dateTime: string, zeroMs: number): number | undefined {
  const ms = Date.parse(dateTime);
  return Number.isNaN(ms) ? undefined : (ms - zeroMs) / 1_000;
}
