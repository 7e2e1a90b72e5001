import { SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { Empty, Select } from "antd";
import { useEffect } from "react";
import { Navigate, Route, Routes, useNavigate, useParams } from "react-router";
import { useUser } from "../../session.tsx";
import { useAsk } from "../../ui/asking.ts";
import { useLanguage, useTexts } from "../../ui/language.ts";
import { Shown } from "../../ui/shown.tsx";
import { texts } from "./clerk.texts.ts";
import "./desk.css";
import { RoomDesk } from "./room-desk.tsx";

const roomKey = "xiezhi.room";

/** The clerk's Desk: one room at a time, the one chosen last on this browser. */
export default function ClerkDesk() {
  return (
    <Routes>
      <Route index element={<ChooseRoom />} />
      <Route path=":roomId" element={<OneRoom />} />
    </Routes>
  );
}

/** Rooms at the sites where the user holds a role. */
function useRooms() {
  const user = useUser();
  const sites = new Set(user.roles.map((it) => it.siteId));
  const seen = useAsk(SitesService.method.listRooms, { pageSize: 200 });
  if (seen.state === "loading" || seen.state === "refused") return seen;
  return { ...seen, value: seen.value?.rooms.filter((room) => sites.has(room.siteId)) };
}

function ChooseRoom() {
  const t = useTexts(texts);
  const rooms = useRooms();
  const last = localStorage.getItem(roomKey);
  return (
    <Shown of={rooms}>
      {(found) => {
        const room = found?.find((it) => it.id === last) ?? found?.[0];
        return room ? <Navigate to={room.id} replace /> : <Empty description={t.noRooms} data-testid="no-rooms" />;
      }}
    </Shown>
  );
}

function OneRoom() {
  const { roomId = "" } = useParams();
  useEffect(() => localStorage.setItem(roomKey, roomId), [roomId]);
  return <RoomDesk key={roomId} roomId={roomId} chooser={<RoomChooser roomId={roomId} />} />;
}

function RoomChooser({ roomId }: { roomId: string }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const navigate = useNavigate();
  const rooms = useRooms();
  const options = rooms.state === "live" || rooms.state === "stale" ? rooms.value : undefined;
  return (
    <Select
      className="room-chooser"
      size="large"
      aria-label={t.room}
      placeholder={t.chooseRoom}
      data-testid="room"
      value={roomId}
      onChange={(id) => void navigate(`/desk/${encodeURIComponent(id)}`)}
      options={
        options?.map((it) => ({ value: it.id, label: language === "zh" ? it.nameZh : it.nameEn })) ?? [{ value: roomId, label: roomId }]
      }
    />
  );
}
