import { type Hearing, HearingsService } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { Checkbox, Input, Modal, Space } from "antd";
import { useState } from "react";
import { Link } from "react-router";
import { askAgain, useAsk } from "../../ui/asking.ts";
import { useCommand } from "../../ui/command.ts";
import { useTexts } from "../../ui/language.ts";
import { Failure, Shown } from "../../ui/shown.tsx";
import { useInstant } from "../../ui/times.ts";
import { CasePicker } from "../cases/cases.parts.tsx";
import { useRoomNames } from "../rooms/rooms.parts.tsx";
import { texts } from "./hearings.texts.ts";

interface DialogProps {
  hearingId: string;
  close: () => void;
}

/** Ties an unlisted hearing to its cases. */
export function LinkCases({ hearingId, close }: DialogProps) {
  const t = useTexts(texts);
  const [caseIds, setCaseIds] = useState<string[]>([]);
  const link = useCommand(HearingsService.method.linkCases);
  const done = async (answer: ReturnType<typeof link.run>) => {
    if (!(await answer)) return;
    await askAgain(HearingsService);
    close();
  };
  return (
    <Modal
      open
      title={t.link}
      okText={t.save}
      cancelText={t.cancel}
      onCancel={close}
      onOk={() => void done(link.run({ hearingId, caseIds }))}
      okButtonProps={{ disabled: caseIds.length === 0, loading: link.busy }}
    >
      <CasePicker value={caseIds} onChange={setCaseIds} />
      <Failure error={link.error} again={() => void done(link.again())} />
    </Modal>
  );
}

export function CancelHearing({ hearingId, close }: DialogProps) {
  const t = useTexts(texts);
  const [reason, setReason] = useState("");
  const cancel = useCommand(HearingsService.method.cancelHearing);
  const done = async (answer: ReturnType<typeof cancel.run>) => {
    if (!(await answer)) return;
    await askAgain(HearingsService);
    close();
  };
  return (
    <Modal
      open
      title={t.cancelHearing}
      okText={t.cancelHearing}
      cancelText={t.cancel}
      onCancel={close}
      onOk={() => void done(cancel.run({ hearingId, reason: reason.trim() }))}
      okButtonProps={{ disabled: reason.trim() === "", loading: cancel.busy, danger: true }}
    >
      <Input
        autoFocus
        maxLength={200}
        aria-label={t.cancelReason}
        placeholder={t.cancelReason}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <Failure error={cancel.error} again={() => void done(cancel.again())} />
    </Modal>
  );
}

/** A person says which of the takes hold a hearing that two rooms recorded side by side. */
export function SettleTakes({ hearing, close }: { hearing: Hearing; close: () => void }) {
  const t = useTexts(texts);
  const instant = useInstant();
  const roomName = useRoomNames();
  const [takeIds, setTakeIds] = useState<string[]>([]);
  const takes = useAsk(TakesService.method.listTakes, { hearingId: hearing.id, pageSize: 50 });
  const settle = useCommand(HearingsService.method.settleTakes);
  const done = async (answer: ReturnType<typeof settle.run>) => {
    if (!(await answer)) return;
    await askAgain(HearingsService);
    close();
  };
  return (
    <Modal
      open
      title={t.settle}
      okText={t.save}
      cancelText={t.cancel}
      onCancel={close}
      onOk={() => void done(settle.run({ hearingId: hearing.id, takeIds }))}
      okButtonProps={{ disabled: takeIds.length === 0, loading: settle.busy }}
    >
      <p>{t.settleWhy}</p>
      <Shown of={takes}>
        {(found) => (
          <Checkbox.Group value={takeIds} onChange={setTakeIds}>
            <Space orientation="vertical">
              {found.takes.map((take) => (
                <Checkbox key={take.id} value={take.id} data-testid={`settle-${take.id}`}>
                  {roomName(take.roomId)} · {instant(Number(take.startedAtMs))} · <Link to={`/takes/${take.id}`}>{t.play}</Link>
                </Checkbox>
              ))}
            </Space>
          </Checkbox.Group>
        )}
      </Shown>
      <Failure error={settle.error} again={() => void done(settle.again())} />
    </Modal>
  );
}
