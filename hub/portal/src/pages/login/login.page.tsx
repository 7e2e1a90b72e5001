import type { XiezhiError } from "@xiezhi/protos/errors.ts";
import { Button, Form, Input } from "antd";
import { useState } from "react";
import { toXiezhiError } from "../../failures.ts";
import seal from "../../look/seal.svg";
import { asksForPin, logIn, ownRoomId } from "../../session.tsx";
import { setLanguage, useLanguage, useTexts } from "../../ui/language.ts";
import { Failure } from "../../ui/shown.tsx";
import "./login.css";
import { texts } from "./login.texts.ts";

export default function LogInPage() {
  const t = useTexts(texts);
  const pin = asksForPin();
  const language = useLanguage();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<XiezhiError>();
  const enter = async (values: { login: string; password: string }) => {
    setBusy(true);
    setError(undefined);
    try {
      await logIn(values.login.trim(), values.password);
    } catch (thrown) {
      setError(toXiezhiError(thrown));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className="login">
      <section className="login-card">
        <img src={seal} alt="" width="72" height="72" />
        <h1>{t.product}</h1>
        <p className="login-motto">{t.motto}</p>
        {pin && (
          <p className="login-place" data-testid="own-room">
            {t.ownRoom(ownRoomId() ?? "")}
            <small>{t.withoutHub}</small>
          </p>
        )}
        <Form layout="vertical" size="large" requiredMark={false} onFinish={(values) => void enter(values)}>
          <Form.Item name="login" label={t.login} rules={[{ required: true, message: "" }]}>
            <Input autoFocus autoComplete="username" autoCapitalize="none" spellCheck={false} maxLength={64} data-testid="login" />
          </Form.Item>
          <Form.Item name="password" label={pin ? t.pin : t.password} rules={[{ required: true, message: "" }]}>
            <Input.Password
              autoComplete={pin ? "off" : "current-password"}
              inputMode={pin ? "numeric" : "text"}
              maxLength={200}
              data-testid="password"
            />
          </Form.Item>
          <Failure error={error} />
          <Button type="primary" htmlType="submit" block loading={busy} data-testid="enter">
            {t.enter}
          </Button>
        </Form>
        <Button type="link" data-testid="language" onClick={() => setLanguage(language === "zh" ? "en" : "zh")}>
          {t.language}
        </Button>
      </section>
    </main>
  );
}
