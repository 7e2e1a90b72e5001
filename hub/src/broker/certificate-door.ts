import { peerOf } from "@xiezhi/enrol/peer.ts";
import { everyRoomFilter, isLeaf, readTopic, roomPrefix } from "@xiezhi/protos/topics.ts";
import type { MqttDoor } from "@xiezhi/rpc/mqtt/broker.ts";

/** Where the broker itself says whom it kept from what; the hub alone may hear it. */
export const REFUSALS = "broker/refusals";

/** Texts are the client's own, cut short. */
export interface Refusal {
  from: string;
  clientId: string;
  act: string;
  what: string;
}

type Who = { name: string } & ({ kind: "hub" } | { kind: "room"; prefix: string });

/** What a room says of itself. */
const ROOM_SAYS = ["state", "availability", "result", "event", "snapshot"];
/** What the hub says to a room. */
const HUB_SAYS = ["command", "taken"];

/**
 * Who may do what at the hub's broker, by certificate alone: a room speaks and hears below its own prefix, the hub hears every room
 * and speaks commands. Nobody uses `#` or `+` above its own prefix, or `$` topics.
 */
export function certificateDoor(told: (refusal: Refusal) => void): MqttDoor<Who> {
  return {
    admit({ uris }) {
      const peer = peerOf(uris);
      if (peer?.kind === "room") return { name: `${peer.siteId}/${peer.roomId}`, kind: "room", prefix: roomPrefix(peer) };
      return peer?.name === "hub" ? { name: "hub", kind: "hub" } : undefined;
    },
    mayPublish(who, topic) {
      const leaf = readTopic(topic)?.leaf;
      if (leaf === undefined) return false;
      return who.kind === "hub" ? HUB_SAYS.includes(leaf) : ROOM_SAYS.includes(leaf) && topic.startsWith(who.prefix);
    },
    maySubscribe(who, filter) {
      if (who.kind === "room") return filter.startsWith(who.prefix);
      const leaf = filter.split("/").at(-1) ?? "";
      return filter === REFUSALS || (isLeaf(leaf) && filter === everyRoomFilter(leaf));
    },
    refused: (from, clientId, act, what) => told({ from, clientId: clientId.slice(0, 64), act, what: what.slice(0, 200) }),
  };
}
