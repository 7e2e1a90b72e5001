import type { DescService } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { type AcceptedCall, acceptCalls } from "@xiezhi/rpc/call.ts";
import { type Client, clientOf, type Link } from "@xiezhi/rpc/client.ts";

/** A room as its certificate names it. Two sites may call a room alike. */
export interface RoomKey {
  siteId: string;
  roomId: string;
}

/** Whether the hub can call the room's agent now, and since when that is so, UTC ms. */
export interface LinkState {
  connected: boolean;
  sinceMs: number;
}

/** The two connections: bulk never delays a command. */
type Lane = "xiezhi-call" | "xiezhi-live";

interface Room {
  state: LinkState;
  links: Map<Lane, Link>;
}

/** Calls to rooms over the connections that their agents dialled and ingest splices to us. */
export class Agents {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly rooms = new Map<string, Room>();
  private readonly openedAtMs: number;
  private readonly comers: ((room: RoomKey, closed: AbortSignal) => void)[] = [];
  private readonly goers: ((room: RoomKey) => void)[] = [];
  private server: { close(): Promise<void> } | undefined;

  constructor(clock: Clock, log: Log) {
    this.clock = clock;
    this.log = log;
    this.openedAtMs = clock.nowMs();
  }

  async listen(unixPath: string): Promise<void> {
    this.server = await acceptCalls(unixPath, (call) => this.accept(call));
  }

  async close(): Promise<void> {
    await this.server?.close();
  }

  state(room: RoomKey): LinkState {
    return this.rooms.get(keyOf(room))?.state ?? { connected: false, sinceMs: this.openedAtMs };
  }

  /** A client of the room's service, or undefined while its agent is away. */
  client<S extends DescService>(room: RoomKey, service: S, lane: Lane = "xiezhi-call"): Client<S> | undefined {
    const link = this.rooms.get(keyOf(room))?.links.get(lane);
    return link && clientOf(service, link);
  }

  /** `closed` aborts when that connection is lost. */
  onConnected(listener: (room: RoomKey, closed: AbortSignal) => void): void {
    this.comers.push(listener);
  }

  onGone(listener: (room: RoomKey) => void): void {
    this.goers.push(listener);
  }

  accept({ alpn, site, room: roomId, link, closed }: AcceptedCall): void {
    const key: RoomKey = { siteId: site, roomId };
    const room = this.rooms.get(keyOf(key)) ?? { state: this.state(key), links: new Map<Lane, Link>() };
    this.rooms.set(keyOf(key), room);
    // A room that dials again has lost the connection before, whether we have noticed or not.
    room.links.get(alpn)?.close();
    room.links.set(alpn, link);
    closed.addEventListener("abort", () => this.lost(key, room, alpn, link), { once: true });
    if (alpn !== "xiezhi-call") return;
    if (!room.state.connected) room.state = { connected: true, sinceMs: this.clock.nowMs() };
    this.log.info({ site, room: roomId }, "a room can be called");
    for (const listener of this.comers) listener(key, closed);
  }

  private lost(key: RoomKey, room: Room, lane: Lane, link: Link): void {
    if (room.links.get(lane) !== link) return;
    room.links.delete(lane);
    if (lane !== "xiezhi-call") return;
    room.state = { connected: false, sinceMs: this.clock.nowMs() };
    this.log.warn({ site: key.siteId, room: key.roomId }, "a room is away");
    for (const listener of this.goers) listener(key);
  }
}

function keyOf({ siteId, roomId }: RoomKey): string {
  return `${siteId}/${roomId}`;
}
