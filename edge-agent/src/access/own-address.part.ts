import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { Clock } from "@xiezhi/base/clock.ts";
import type { Log } from "@xiezhi/base/log.ts";
import { AccessService } from "@xiezhi/protos/gen/xiezhi/agents/v1/access_pb.js";
import { type Room, SiteSchema, SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { type Implementation, implement } from "@xiezhi/rpc/service.ts";
import { startWeb, type Web } from "@xiezhi/rpc/web/web.ts";
import type { AgentConfig } from "../agent.config.ts";
import { Acts } from "./acts.ts";
import { audited } from "./audited.ts";
import { ownDoor } from "./own-door.ts";
import { People } from "./people.ts";
import { RoomSessions } from "./room-sessions.ts";
import { signIn } from "./sign-in.ts";
import { WrongPins } from "./wrong-pins.ts";

interface OwnAddressOptions {
  clock: Clock;
  log: Log;
  stateFolder: string;
  room: Pick<Room, "id" | "siteId" | "nameZh" | "nameEn" | "seats">;
  web: AgentConfig["web"];
}

/**
 * The room's own address: the portal's pages for who stands in the room, with sessions by PIN and the rights that the hub told, as
 * good with the hub away as with it there. What is done here waits on the room's disk for the hub's audit.
 */
export class OwnAddress {
  /** What the hub calls. */
  readonly forHub: Implementation;
  readonly sessions: RoomSessions;
  private readonly options: OwnAddressOptions;
  private readonly people: People;
  private readonly acts: Acts;
  private readonly wrongPins: WrongPins;
  private web: Web | undefined;

  constructor(options: OwnAddressOptions) {
    const { clock, log, stateFolder } = options;
    const file = (name: string) => join(stateFolder, "access", name);
    this.options = options;
    this.people = new People({ clock, file: file("people.json") });
    this.sessions = new RoomSessions({ clock, log, file: file("sessions.json") });
    this.acts = new Acts({ clock, log, folder: file("acts") });
    this.wrongPins = new WrongPins({ clock, log, file: file("wrong-pins.json") });
    this.people.onNarrowed = (userIds) => void this.sessions.end(({ userId }) => userIds.has(userId));
    this.forHub = implement(AccessService, {
      admit: async (request) => ({ version: await this.people.admit(request) }),
      watchActs: (_, { signal }) => this.acts.watch(signal),
      takeActs: async ({ ids }) => {
        await this.acts.taken(ids);
        return {};
      },
    });
  }

  async open(): Promise<void> {
    await Promise.all([this.people.open(this.options.log), this.sessions.open(), this.acts.open(), this.wrongPins.open()]);
  }

  /** An address that can't be had is no reason not to record. */
  async serve(implementations: readonly Implementation[]): Promise<number | undefined> {
    const { clock, log, room, web } = this.options;
    const { people, sessions, acts, wrongPins } = this;
    const door = ownDoor({ siteId: room.siteId, roomId: room.id, people, sessions, acts, log });
    const all: Implementation[] = [];
    const methods = () => all.flatMap(methodsOf);
    all.push(signIn({ roomId: room.id, people, sessions, wrongPins, acts, methods }), this.place());
    all.push(...implementations.map((each) => audited(each, acts)));
    try {
      this.web = await startWeb({
        ...web,
        host: "127.0.0.1",
        tls: undefined,
        names: [],
        server: room.id,
        implementations: all,
        door,
        middleware: [],
        clock,
        log,
        refused: (why, path, from) => void acts.stranger({ act: `web.${path}`, outcome: `WEB_${why}`, from }),
      });
    } catch (error) {
      log.error({ err: error, port: web.port }, "the room's own address can't be served");
    }
    return this.web?.port;
  }

  async close(): Promise<void> {
    await this.web?.close();
    await this.sessions.close();
    await this.acts.close();
  }

  /** This site and this room, and no other: what the pages ask to name them. */
  private place(): Implementation {
    const { room } = this.options;
    return implement(SitesService, {
      listSites: async () => ({ sites: [this.people.site ?? create(SiteSchema, { id: room.siteId, name: room.siteId })] }),
      listRooms: async () => ({ rooms: [room] }),
    });
  }
}

function methodsOf({ service, handlers }: Implementation): string[] {
  return service.methods.filter(({ localName }) => handlers[localName]).map(({ name }) => `${service.typeName}/${name}`);
}
