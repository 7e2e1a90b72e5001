import {
  Availability,
  AvailabilitySchema,
  type Device,
  DevicesService,
  type RoomLink,
  type WatchDevicesResponse,
} from "@xiezhi/protos/gen/xiezhi/devices/v1/devices_pb.js";
import { Alert, Table } from "antd";
import { useNowMs } from "../../clock.ts";
import { mayCall, useUser } from "../../session.tsx";
import { useWatch } from "../../ui/asking.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { Shown } from "../../ui/shown.tsx";
import { useAge, useInstant } from "../../ui/times.ts";
import { Title } from "../../ui/title.tsx";
import { AlarmsStrip } from "../alarms/alarms.strip.tsx";
import "./rooms.css";
import { useRoomNames } from "./rooms.parts.tsx";
import { texts } from "./rooms.texts.ts";
import { DeviceTrials } from "./rooms.trials.tsx";

const all = (message: WatchDevicesResponse) => message;

/** Every device's last proven state and when it was proven, room by room. */
export default function RoomsPage() {
  const t = useTexts(texts);
  const seen = useWatch(DevicesService.method.watchDevices, {}, all);
  return (
    <div className="page">
      <Title>{t.title}</Title>
      <AlarmsStrip />
      <Shown of={seen} isEmpty={(it) => it.devices.length + it.links.length === 0} empty={t.none}>
        {(it) =>
          roomIds(it).map((id) => (
            <RoomCard
              key={id}
              id={id}
              link={it.links.find((link) => link.roomId === id)}
              devices={it.devices.filter((device) => device.roomId === id)}
            />
          ))
        }
      </Shown>
    </div>
  );
}

function roomIds(it: WatchDevicesResponse): string[] {
  return [...new Set([...it.links.map((link) => link.roomId), ...it.devices.map((device) => device.roomId)])].sort();
}

function RoomCard({ id, link, devices }: { id: string; link: RoomLink | undefined; devices: Device[] }) {
  const t = useTexts(texts);
  const instant = useInstant();
  const age = useAge();
  const roomName = useRoomNames();
  const nowMs = useNowMs();
  const mayTry = mayCall(useUser(), DevicesService.method.commandDevice);
  const sinceMs = Number(link?.sinceMs ?? 0n);
  return (
    <section className="room-card" data-testid={`room-${id}`} data-connected={link?.connected ?? true}>
      <h2>
        {roomName(id)} {link?.connected && sinceMs > 0 && <small>{t.connected(instant(sinceMs))}</small>}
      </h2>
      {link && !link.connected && (
        <Alert
          type="warning"
          showIcon
          title={sinceMs > 0 ? t.away(instant(sinceMs), age(nowMs - sinceMs)) : t.noLink}
          data-testid={`away-${id}`}
        />
      )}
      <Table<Device>
        rowKey="id"
        size="small"
        pagination={false}
        dataSource={devices}
        locale={{ emptyText: t.none }}
        columns={[
          {
            title: t.device,
            render: (_, it) => (
              <span data-testid={`device-${it.id}`}>
                <b>{it.name || it.id}</b>
                <small className="under">
                  {it.id} · {it.driver}
                </small>
              </span>
            ),
          },
          { title: t.state, render: (_, it) => <DeviceAvailability device={it} /> },
          { title: t.proven, render: (_, it) => <ProvenAt atMs={Number(it.state?.provenAtMs ?? 0n)} nowMs={nowMs} /> },
          {
            title: t.model,
            render: (_, it) => [it.state?.manufacturer, it.state?.model, it.state?.firmware].filter(Boolean).join(" · ") || "—",
          },
          {
            title: t.profiles,
            render: (_, it) =>
              it.state?.profiles.map((profile) => `${profile.encoding} ${profile.width}×${profile.height}`).join("，") || "—",
          },
          {
            title: t.clockOffset,
            render: (_, it) =>
              // Devices tell their time in whole seconds (ONVIF GetSystemDateAndTime): no more is known.
              it.state?.clockOffsetMs === undefined ? "—" : t.offset(Math.round(Number(it.state.clockOffsetMs) / 1e3)),
          },
          ...(mayTry ? [{ title: t.tryIt, width: 250, render: (_: unknown, it: Device) => <DeviceTrials device={it} /> }] : []),
        ]}
      />
    </section>
  );
}

const signs: Partial<Record<Availability, string>> = {
  [Availability.AVAILABLE]: "●",
  [Availability.UNAVAILABLE]: "✕",
  [Availability.UNKNOWN]: "?",
};

function DeviceAvailability({ device }: { device: Device }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const instant = useInstant();
  const availability = device.state?.availability || Availability.UNKNOWN;
  return (
    <span className={`availability availability-${availability}`} data-availability={Availability[availability]}>
      <b>
        <i aria-hidden="true">{signs[availability]}</i> {enumText(AvailabilitySchema, availability, language)}
      </b>
      <small className="under">
        {device.state?.reason} {device.state && device.state.sinceMs > 0n && `${t.since} ${instant(Number(device.state.sinceMs))}`}
      </small>
    </span>
  );
}

function ProvenAt({ atMs, nowMs }: { atMs: number; nowMs: number }) {
  const t = useTexts(texts);
  const instant = useInstant();
  const age = useAge();
  if (atMs === 0) return <em>{t.never}</em>;
  return (
    <span>
      {instant(atMs)}
      <small className="under">{t.ago(age(nowMs - atMs))}</small>
    </span>
  );
}
