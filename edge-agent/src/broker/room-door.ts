import { createHash, timingSafeEqual } from "node:crypto";
import type { Log } from "@xiezhi/base/log.ts";
import type { Secret } from "@xiezhi/base/secret.ts";
import { carriedUp, readTopic, rawTopicOf, roomFilter, roomPrefix } from "@xiezhi/protos/topics.ts";
import type { MqttDoor, MqttLogin } from "@xiezhi/rpc/mqtt/broker.ts";

/** `supervisor`: the agent · `bridge`: carries to the hub and back · `technician`, `flow`: see everything of the room and may command · `device`: a third party's own corner. */
export type RoomMemberKind = "supervisor" | "bridge" | "technician" | "flow" | "device";

export interface RoomMember {
  name: string;
  kind: RoomMemberKind;
  password: Secret;
}

/**
 * Who may do what at a room's broker. Only the supervisor says how a device is; a third-party device says what it likes below its
 * `raw/` topic and nowhere else; people and flows read and command.
 */
export function roomDoor(room: { siteId: string; roomId: string }, members: readonly RoomMember[], log: Log): MqttDoor<RoomMember> {
  const prefix = roomPrefix(room);
  const byName = new Map(members.map((member) => [member.name, member]));
  const isCommand = (topic: string) => topic.startsWith(prefix) && readTopic(topic)?.leaf === "command";
  const within = (topic: string, corner: string) => topic === corner || topic.startsWith(`${corner}/`);
  const cornerOf = (member: RoomMember) => rawTopicOf({ ...room, deviceId: member.name });
  return {
    admit({ clientId, username, password }: MqttLogin) {
      const member = byName.get(username ?? "");
      if (!member || !isSame(password ?? "", member.password.reveal())) return undefined;
      // A second client of an id ends the first: nobody but its owner may take a member's name.
      const free = (member.kind === "technician" || member.kind === "flow") && !byName.has(clientId);
      return clientId === member.name || free ? member : undefined;
    },
    mayPublish(member, topic, retain) {
      if (member.kind === "supervisor") return readTopic(topic) !== undefined && topic.startsWith(prefix);
      if (member.kind === "device") return within(topic, cornerOf(member));
      return isCommand(topic) && !retain;
    },
    maySubscribe(member, filter) {
      if (member.kind === "supervisor") return filter === roomFilter(room, "command") || filter === `${prefix}raw/#`;
      if (member.kind === "device") return within(filter, cornerOf(member)) || filter === `${prefix}${member.name}/command`;
      if (member.kind === "bridge") return carriedUp.some((leaf) => filter === roomFilter(room, leaf));
      // All that is carried here is this room's; `#` does not match what begins with `$` (MQTT 3.1.1 clause 4.7.2).
      return filter === "#" || filter.startsWith(prefix);
    },
    refused: (from, clientId, act, what) =>
      log.warn({ from, clientId: clientId.slice(0, 64), act, what: what.slice(0, 200) }, "refused at the room's broker"),
  };
}

function isSame(given: string, wanted: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(wanted));
}
