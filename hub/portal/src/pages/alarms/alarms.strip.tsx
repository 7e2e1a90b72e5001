import {
  type Alarm,
  AlarmReason,
  AlarmReasonSchema,
  AlarmsService,
  type WatchAlarmsResponse,
} from "@xiezhi/protos/gen/xiezhi/alarms/v1/alarms_pb.js";
import { Alert } from "antd";
import { mayCall, useUser } from "../../session.tsx";
import { useWatch } from "../../ui/asking.ts";
import { enumText, useLanguage, useTexts } from "../../ui/language.ts";
import { valueOf } from "../../ui/seen.ts";
import { useInstant } from "../../ui/times.ts";
import { useRoomNames } from "../rooms/rooms.parts.tsx";
import { texts } from "./alarms.texts.ts";

const all = ({ alarms }: WatchAlarmsResponse) => alarms;

/** What is wrong now, of the hub and one room or of all rooms; nothing where nothing is, or where the role has no right to it. */
export function AlarmsStrip({ roomId = "" }: { roomId?: string }) {
  return mayCall(useUser(), AlarmsService.method.watchAlarms) && <Standing roomId={roomId} />;
}

function Standing({ roomId }: { roomId: string }) {
  const t = useTexts(texts);
  const seen = useWatch(AlarmsService.method.watchAlarms, { roomId }, all);
  const alarms = valueOf(seen) ?? [];
  const unheard = seen.state === "stale";
  if (alarms.length === 0 && !unheard) return null;
  return (
    <section aria-label={t.title} aria-live="assertive" data-testid="alarms">
      {unheard && <Alert type="warning" showIcon banner title={t.unheard} />}
      {alarms.map((alarm) => (
        <OneAlarm key={`${alarm.reason}/${alarm.siteId}/${alarm.roomId}/${alarm.subject}`} alarm={alarm} />
      ))}
    </section>
  );
}

function OneAlarm({ alarm }: { alarm: Alarm }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const instant = useInstant();
  const roomName = useRoomNames();
  const { reason, subject, why, roomId } = alarm;
  const subjects: Readonly<Record<string, string>> = t.subject;
  const whys: Readonly<Record<string, string>> = t.why;
  // A hearing's id says nothing to a person: its row on the list is marked.
  const about = reason === AlarmReason.HEARING_CONTESTED ? "" : (subjects[subject] ?? subject);
  const where = [roomId && roomName(roomId), about, whys[why] ?? why, t.since(instant(Number(alarm.sinceMs)))];
  return (
    <Alert
      type="error"
      showIcon
      banner
      data-testid={`alarm-${AlarmReason[reason]}`}
      title={`${enumText(AlarmReasonSchema, reason, language)} · ${where.filter(Boolean).join(" · ")}`}
      description={`${t.proven(instant(Number(alarm.provenAtMs)))} · ${t.runbook(AlarmReason[reason] ?? "")}`}
    />
  );
}
