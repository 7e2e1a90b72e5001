import { HearingsService } from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { Input, Modal } from "antd";
import { useState } from "react";
import { askAgain } from "../../ui/asking.ts";
import { useCommand } from "../../ui/command.ts";
import { useTexts } from "../../ui/language.ts";
import { Failure } from "../../ui/shown.tsx";
import { CasePicker } from "../cases/cases.parts.tsx";
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
