import { type Case, type Procedure, ProcedureSchema } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import {
  HearingKind,
  HearingKindSchema,
  HearingsService,
  Publicity,
  PublicitySchema,
  SecrecyLevel,
  SecrecyLevelSchema,
} from "@xiezhi/protos/gen/xiezhi/hearings/v1/hearings_pb.js";
import { SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { Button, Form, Input, Modal, Radio, Select } from "antd";
import { pageClock } from "../../clock.ts";
import { askAgain, useAsk } from "../../ui/asking.ts";
import { useCommand } from "../../ui/command.ts";
import { enumOptions, useLanguage, useTexts } from "../../ui/language.ts";
import { valueOf } from "../../ui/seen.ts";
import { Failure } from "../../ui/shown.tsx";
import { fromLocalInput, toLocalInput } from "../../ui/times.ts";
import { texts } from "./hearings.texts.ts";

interface Filled {
  roomId: string;
  kind: HearingKind;
  from: string;
  to: string;
  procedure: Procedure;
  publicity: Publicity;
  publicityGround?: string;
  secrecy: SecrecyLevel;
  title?: string;
}

const quarterMs = 900_000;

/** Lists a hearing of a case for a room and time; whether the room is free is the server's answer. */
export function ListHearing({ of, close }: { of: Case; close: () => void }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const rooms = valueOf(useAsk(SitesService.method.listRooms, { pageSize: 200 }))?.rooms.filter((it) => it.siteId === of.siteId) ?? [];
  const create = useCommand(HearingsService.method.createHearing);
  const [form] = Form.useForm<Filled>();
  const closed = Form.useWatch("publicity", form) === Publicity.NOT_PUBLIC;
  const required = [{ required: true, message: t.required }];
  const nextQuarterMs = Math.ceil(pageClock.nowMs() / quarterMs) * quarterMs;
  const done = async (answer: ReturnType<typeof create.run>) => {
    if (!(await answer)) return;
    await askAgain(HearingsService);
    close();
  };
  const ask = ({ from, to, publicityGround, title, ...rest }: Filled) =>
    create.run({
      ...rest,
      caseIds: [of.id],
      title: title ?? "",
      publicityGround: closed ? (publicityGround ?? "") : "",
      listedFromMs: BigInt(fromLocalInput(from)),
      listedToMs: BigInt(fromLocalInput(to)),
    });
  return (
    <Modal open width={640} title={`${t.listTitle} · ${of.number?.text ?? ""}`} footer={null} onCancel={close}>
      <Form
        form={form}
        layout="vertical"
        requiredMark={false}
        onFinish={(values) => void done(ask(values))}
        initialValues={{
          kind: HearingKind.TRIAL,
          publicity: Publicity.PUBLIC,
          secrecy: SecrecyLevel.ORDINARY,
          procedure: of.procedure,
          from: toLocalInput(nextQuarterMs),
          to: toLocalInput(nextQuarterMs + 8 * quarterMs),
        }}
      >
        <div className="two-fields">
          <Form.Item name="roomId" label={t.room} rules={required}>
            <Select
              data-testid="hearing-room"
              options={rooms.map((it) => ({ value: it.id, label: language === "zh" ? it.nameZh : it.nameEn }))}
            />
          </Form.Item>
          <Form.Item name="kind" label={t.kind} rules={required}>
            <Select data-testid="hearing-kind" options={enumOptions(HearingKindSchema, language)} />
          </Form.Item>
          <Form.Item name="from" label={t.from} rules={required}>
            <Input type="datetime-local" data-testid="hearing-from" />
          </Form.Item>
          <Form.Item
            name="to"
            label={t.to}
            dependencies={["from"]}
            rules={[
              ...required,
              ({ getFieldValue }) => ({
                validator: (_, to: string) => (to > String(getFieldValue("from")) ? Promise.resolve() : Promise.reject(new Error(t.order))),
              }),
            ]}
          >
            <Input type="datetime-local" data-testid="hearing-to" />
          </Form.Item>
          <Form.Item name="procedure" label={t.procedure}>
            <Select options={enumOptions(ProcedureSchema, language)} />
          </Form.Item>
          <Form.Item name="secrecy" label={t.secrecy}>
            <Select options={enumOptions(SecrecyLevelSchema, language)} />
          </Form.Item>
        </div>
        <Form.Item name="publicity" label={t.publicity}>
          <Radio.Group options={enumOptions(PublicitySchema, language)} />
        </Form.Item>
        {closed && (
          <Form.Item name="publicityGround" label={t.ground} rules={[{ required: true, whitespace: true, message: t.required }]}>
            <Input maxLength={200} placeholder={t.groundHint} data-testid="hearing-ground" />
          </Form.Item>
        )}
        <Form.Item name="title" label={t.hearingTitle}>
          <Input maxLength={200} />
        </Form.Item>
        <Failure error={create.error} again={() => void done(create.again())} />
        <div className="dialog-buttons">
          <Button onClick={close}>{t.cancel}</Button>
          <Button type="primary" htmlType="submit" loading={create.busy} data-testid="hearing-save">
            {t.save}
          </Button>
        </div>
      </Form>
    </Modal>
  );
}
