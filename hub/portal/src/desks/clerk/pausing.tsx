import { type InterruptionReason, InterruptionReasonSchema } from "@xiezhi/protos/gen/xiezhi/ledger/v1/ledger_pb.js";
import { RoomService } from "@xiezhi/protos/gen/xiezhi/rooms/v1/rooms_pb.js";
import { Button, Form, Input, Modal, Radio } from "antd";
import { useState } from "react";
import { useCommand } from "../../ui/command.ts";
import { useKeys } from "../../ui/keys.ts";
import { enumOptions, useLanguage, useTexts } from "../../ui/language.ts";
import { texts } from "./clerk.texts.ts";
import { CommandFailure } from "./command-failure.tsx";

/** The dialog for the three interruptions that 法释〔2017〕5号 art. 3 permits: which, and who decided. */
export function PauseButton({ roomId }: { roomId: string }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const pause = useCommand(RoomService.method.pause);
  const [open, setOpen] = useState(false);
  useKeys({ p: () => setOpen(true) });
  const ask = async (values: { reason: InterruptionReason; decidedBy: string }) => {
    if (await pause.run({ roomId, reason: values.reason, decidedBy: values.decidedBy.trim() })) setOpen(false);
  };
  return (
    <>
      <Button size="large" block onClick={() => setOpen(true)} data-testid="pause" aria-keyshortcuts="P">
        {t.pause} <kbd>P</kbd>
      </Button>
      <Modal open={open} title={t.pauseTitle} footer={null} onCancel={() => setOpen(false)} destroyOnHidden>
        <p>{t.pauseLaw}</p>
        <Form layout="vertical" onFinish={(values) => void ask(values)} requiredMark={false}>
          <Form.Item name="reason" label={t.pauseReason} rules={[{ required: true, message: t.pauseReason }]}>
            <Radio.Group className="reasons" options={enumOptions(InterruptionReasonSchema, language)} data-testid="pause-reason" />
          </Form.Item>
          <Form.Item name="decidedBy" label={t.decidedBy} rules={[{ required: true, whitespace: true, message: t.decidedBy }]}>
            <Input maxLength={100} data-testid="pause-decided-by" />
          </Form.Item>
          <CommandFailure command={pause} />
          <div className="dialog-buttons">
            <Button onClick={() => setOpen(false)}>{t.cancel}</Button>
            <Button type="primary" htmlType="submit" loading={pause.busy} data-testid="pause-confirm">
              {t.confirmPause}
            </Button>
          </div>
        </Form>
      </Modal>
    </>
  );
}

export function ResumeButton({ roomId }: { roomId: string }) {
  const t = useTexts(texts);
  const resume = useCommand(RoomService.method.resume);
  return (
    <>
      <button
        type="button"
        className="big big-resume"
        disabled={resume.busy}
        onClick={() => void resume.run({ roomId })}
        data-testid="resume"
      >
        <span>{t.resume}</span>
      </button>
      <CommandFailure command={resume} />
    </>
  );
}
