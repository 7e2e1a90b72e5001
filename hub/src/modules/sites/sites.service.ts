import { create, equals } from "@bufbuild/protobuf";
import { type Room, RoomSchema, type Site } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { type Call, programCall } from "../../platform/call.ts";
import type { View } from "../../platform/database/database.ts";
import type { Platform } from "../../platform/module.ts";
import { type PageRequest, paged, pageOf } from "../../platform/paging.ts";
import { errors } from "./sites.errors.ts";
import type { SitesStore } from "./sites.store.ts";

export class SitesService {
  private readonly platform: Platform;
  private readonly store: SitesStore;

  constructor(platform: Platform, store: SitesStore) {
    this.platform = platform;
    this.store = store;
  }

  site(view: View, id: string): Promise<Site | undefined> {
    return this.store.site(view, id);
  }

  room(view: View, id: string): Promise<Room | undefined> {
    return this.store.room(view, id);
  }

  roomsOf(siteIds: readonly string[]): Promise<Room[]> {
    return this.store.listRooms(siteIds);
  }

  async listSites(siteIds: readonly string[], request: PageRequest): Promise<{ sites: Site[]; nextPageToken: string }> {
    const page = pageOf(request);
    const { rows, nextPageToken } = paged(page, await this.store.listSites(siteIds, page), ({ id }) => id);
    return { sites: rows, nextPageToken };
  }

  async listRooms(siteIds: readonly string[], request: PageRequest): Promise<{ rooms: Room[]; nextPageToken: string }> {
    const page = pageOf(request);
    const { rows, nextPageToken } = paged(page, await this.store.listRooms(siteIds, page), ({ id }) => id);
    return { rooms: rows, nextPageToken };
  }

  saveSite(call: Call, site: Site): Promise<Site> {
    return this.platform.change(call, { id: site.id, siteId: site.id }, async (tx) => {
      await this.store.saveSite(tx, site);
      return site;
    });
  }

  /** What a room says of itself over its own certificate; a room never moves to another site by that. */
  async rememberRoom(room: Room, siteId: string, call: Call = programCall("sites.RememberRoom")): Promise<void> {
    const known = await this.store.room(undefined, room.id);
    if (known && known.siteId !== siteId) throw errors.otherSite(room.id, known.siteId);
    const said = create(RoomSchema, { ...room, siteId });
    if (known && equals(RoomSchema, known, said)) return;
    await this.platform.change(call, { id: room.id, siteId }, async (tx) => {
      await this.store.saveRoom(tx, said);
      return said;
    });
  }
}
