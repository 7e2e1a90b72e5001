import { Input, Select } from "antd";
import type { Hearing } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { useSearchParams } from "react-router";
import { pageClock } from "../../clock.ts";
import { useAsk } from "../../ui/asking.ts";
import { useLanguage, useTexts } from "../../ui/language.ts";
import { valueOf } from "../../ui/seen.ts";
import { fromLocalInput, toLocalInput } from "../../ui/times.ts";
import { Title } from "../../ui/title.tsx";
import { HearingTable } from "./hearings.parts.tsx";
import { texts } from "./hearings.texts.ts";

const dayMs = 86_400_000;

/** No day of the list holds it: a room started it on its own. */
const isUnlisted = (hearing: Hearing) => hearing.listedFromMs === 0n;

/** All hearings of a day, listed or not, at the caller's sites. */
export default function HearingsPage() {
  const t = useTexts(texts);
  const language = useLanguage();
  const [params, setParams] = useSearchParams();
  const rooms = valueOf(useAsk(SitesService.method.listRooms, { pageSize: 200 }))?.rooms ?? [];
  const day = params.get("day") ?? toLocalInput(pageClock.nowMs()).slice(0, 10);
  const roomId = params.get("room") ?? "";
  const fromMs = fromLocalInput(`${day}T00:00`);
  const filter = Number.isNaN(fromMs)
    ? { roomId, pageSize: 200 }
    : { roomId, fromMs: BigInt(fromMs), toMs: BigInt(fromMs + dayMs), pageSize: 200 };
  const set = (name: string, value: string) =>
    setParams((before) => {
      before.set(name, value);
      return before;
    });
  return (
    <div className="page">
      <Title
        actions={
          <>
            <Input
              type="date"
              aria-label={t.day}
              value={day}
              data-testid="hearings-day"
              onChange={(event) => set("day", event.target.value)}
            />
            <Select
              className="room-filter"
              aria-label={t.room}
              value={roomId}
              onChange={(id) => set("room", id)}
              options={[
                { value: "", label: t.allRooms },
                ...rooms.map((it) => ({ value: it.id, label: language === "zh" ? it.nameZh : it.nameEn })),
              ]}
            />
          </>
        }
      >
        {t.title}
      </Title>
      <HearingTable filter={filter} empty={t.none} />
      <h2>{t.unlistedOnes}</h2>
      <HearingTable filter={{ roomId, pageSize: 200 }} only={isUnlisted} empty={t.noUnlisted} />
    </div>
  );
}
