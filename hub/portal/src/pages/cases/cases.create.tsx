import { MinusCircleOutlined, PlusOutlined } from "@ant-design/icons";
import { CasesService, NumberKind, ProcedureSchema, type Procedure } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { Role } from "@xiezhi/protos/gen/xiezhi/rights/v1/rights_pb.js";
import { SitesService } from "@xiezhi/protos/gen/xiezhi/sites/v1/sites_pb.js";
import { Button, Checkbox, Form, Input, Modal, Select, Space } from "antd";
import { useState } from "react";
import { useNavigate } from "react-router";
import { sitesOf, useUser } from "../../session.tsx";
import { askAgain, useAsk } from "../../ui/asking.ts";
import { useCommand } from "../../ui/command.ts";
import { enumOptions, useLanguage, useTexts } from "../../ui/language.ts";
import { valueOf } from "../../ui/seen.ts";
import { Failure } from "../../ui/shown.tsx";
import { NumberField } from "./cases.number.tsx";
import { texts } from "./cases.texts.ts";

interface Filled {
  siteId: string;
  number: string;
  legacyConfirmed?: boolean;
  title: string;
  cause?: string;
  procedure: Procedure;
  parties?: { role: string; name: string }[];
}

/** A new case; what its number means is the server's word while it is typed. */
export function CreateCase({ close }: { close: () => void }) {
  const t = useTexts(texts);
  const language = useLanguage();
  const navigate = useNavigate();
  const mine = sitesOf(useUser(), [Role.CLERK]);
  const sites = valueOf(useAsk(SitesService.method.listSites, {}))?.sites.filter((it) => mine.includes(it.id)) ?? [];
  const [form] = Form.useForm<Filled>();
  const [kind, setKind] = useState(NumberKind.UNSPECIFIED);
  const create = useCommand(CasesService.method.createCase);
  const required = [{ required: true, message: t.required }];
  const show = async (answer: ReturnType<typeof create.run>) => {
    const made = (await answer)?.case;
    if (!made) return;
    await askAgain(CasesService);
    await navigate(`/cases/${made.id}`);
  };
  return (
    <Modal open width={680} title={t.create} footer={null} onCancel={close}>
      <Form
        form={form}
        layout="vertical"
        requiredMark={false}
        initialValues={{
          siteId: mine[0],
          parties: [
            { role: "原告", name: "" },
            { role: "被告", name: "" },
          ],
        }}
        onFinish={({ parties, cause, legacyConfirmed, ...rest }) =>
          void show(
            create.run({
              ...rest,
              cause: cause ?? "",
              legacyConfirmed: legacyConfirmed ?? false,
              parties: (parties ?? []).filter((it) => it?.role && it?.name),
            }),
          )
        }
      >
        {mine.length > 1 && (
          <Form.Item name="siteId" label={t.site} rules={required}>
            <Select options={mine.map((id) => ({ value: id, label: sites.find((it) => it.id === id)?.name ?? id }))} />
          </Form.Item>
        )}
        {mine.length <= 1 && (
          <Form.Item name="siteId" hidden noStyle>
            <Input />
          </Form.Item>
        )}
        <Form.Item name="number" label={t.number} rules={required}>
          <NumberField onKind={setKind} />
        </Form.Item>
        {kind === NumberKind.LEGACY && (
          <Form.Item
            name="legacyConfirmed"
            valuePropName="checked"
            rules={[{ validator: (_, ticked) => (ticked ? Promise.resolve() : Promise.reject(new Error(t.legacyNeeded))) }]}
          >
            <Checkbox data-testid="case-legacy">{t.legacy}</Checkbox>
          </Form.Item>
        )}
        <Form.Item name="title" label={t.caseTitle} rules={[{ required: true, whitespace: true, message: t.required }]}>
          <Input maxLength={200} data-testid="case-title" />
        </Form.Item>
        <Space.Compact block className="two-fields">
          <Form.Item name="cause" label={t.cause}>
            <Input maxLength={100} data-testid="case-cause" />
          </Form.Item>
          <Form.Item name="procedure" label={t.procedure} rules={required}>
            <Select options={enumOptions(ProcedureSchema, language)} data-testid="case-procedure" />
          </Form.Item>
        </Space.Compact>
        <Form.Item label={t.parties}>
          <Parties />
        </Form.Item>
        <Failure error={create.error} again={() => void show(create.again())} />
        <div className="dialog-buttons">
          <Button onClick={close}>{t.cancel}</Button>
          <Button type="primary" htmlType="submit" loading={create.busy} data-testid="case-save">
            {t.save}
          </Button>
        </div>
      </Form>
    </Modal>
  );
}

function Parties() {
  const t = useTexts(texts);
  return (
    <Form.List name="parties">
      {(fields, { add, remove }) => (
        <>
          {fields.map((field) => (
            <Space.Compact key={field.key} block className="party">
              <Form.Item name={[field.name, "role"]} noStyle>
                <Input className="party-role" maxLength={20} placeholder={t.role} aria-label={t.role} />
              </Form.Item>
              <Form.Item name={[field.name, "name"]} noStyle>
                <Input maxLength={100} placeholder={t.name} aria-label={t.name} data-testid={`party-${field.name}`} />
              </Form.Item>
              <Button icon={<MinusCircleOutlined />} aria-label={t.removeParty} onClick={() => remove(field.name)} />
            </Space.Compact>
          ))}
          <Button type="dashed" icon={<PlusOutlined />} onClick={() => add({ role: "", name: "" })} data-testid="party-add">
            {t.addParty}
          </Button>
        </>
      )}
    </Form.List>
  );
}
