/**
 * Every MQTT topic, spelt here and nowhere else: `xiezhi/<site>/<room>/<device>/<leaf>`. Payloads are messages of the contract in
 * proto3 JSON. `raw/<device>` is where a room's third-party devices publish as they please; the supervisor maps what it knows.
 */
export interface DeviceName {
  siteId: string;
  roomId: string;
  deviceId: string;
}

/**
 * state, availability: retained, from the supervisor alone · command: to a device, never retained · result: its answer. Between
 * bridge and hub alone: event, something that happened, said until the hub answers with taken · snapshot, begin and end of all that
 * the bridge says of its room.
 */
const leaves = ["state", "availability", "command", "result", "event", "taken", "snapshot"] as const;
export type Leaf = (typeof leaves)[number];

export function isLeaf(word: string): word is Leaf {
  return (leaves as readonly string[]).includes(word);
}

/** What the bridge carries from the room's broker to the hub's; only commands come down. */
export const carriedUp: readonly Leaf[] = ["state", "availability", "result"];
/** The room's agent itself, among its devices: what it says stands as long as it is heard. */
export const AGENT = "agent";

const PLAIN = /^[a-z0-9][a-z0-9-]{0,63}$/;
const ROOT = "xiezhi";
const RAW = "raw";

export function topicOf({ siteId, roomId, deviceId }: DeviceName, leaf: Leaf): string {
  return [ROOT, siteId, roomId, deviceId, leaf].join("/");
}

/** Below a room's own prefix: what its agent may publish and ask for at the hub. */
export function roomPrefix({ siteId, roomId }: Omit<DeviceName, "deviceId">): string {
  return `${ROOT}/${siteId}/${roomId}/`;
}

/** All topics of one leaf in a room, as a filter. */
export function roomFilter(room: Omit<DeviceName, "deviceId">, leaf: Leaf): string {
  return `${roomPrefix(room)}+/${leaf}`;
}

/** All topics of one leaf in every room, as a filter: the hub's alone. */
export function everyRoomFilter(leaf: Leaf): string {
  return `${ROOT}/+/+/+/${leaf}`;
}

/** Where a third-party device of the room publishes; it may nest below. */
export function rawTopicOf({ siteId, roomId, deviceId }: DeviceName): string {
  return [ROOT, siteId, roomId, RAW, deviceId].join("/");
}

/** What a topic names; undefined where it is none of ours, down to the spelling. */
export function readTopic(topic: string): (DeviceName & { leaf: Leaf }) | undefined {
  const [root, siteId, roomId, deviceId, leaf, ...more] = topic.split("/");
  if (root !== ROOT || more.length > 0 || !isLeaf(leaf ?? "")) return undefined;
  if (![siteId, roomId, deviceId].every((name) => name !== undefined && PLAIN.test(name))) return undefined;
  return { siteId: siteId!, roomId: roomId!, deviceId: deviceId!, leaf: leaf as Leaf };
}
