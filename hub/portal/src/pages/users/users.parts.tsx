import { SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { useAsk } from "../../ui/asking.ts";
import { valueOf } from "../../ui/seen.ts";

/** What a site is called; its id where the list doesn't know it. */
export function useSiteNames(): (id: string) => string {
  const sites = valueOf(useAsk(SitesService.method.listSites, { pageSize: 200 }))?.sites ?? [];
  return (id) => sites.find((it) => it.id === id)?.name ?? id;
}
