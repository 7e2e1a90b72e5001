import { Alert, Button } from "antd";
import { Component, type ReactNode } from "react";
import { defineTexts, useTexts } from "./language.ts";

const texts = defineTexts({
  zh: { title: "页面出错", hint: "录制不受页面影响。请重新载入页面；若仍出错，请告知技术员。", again: "重新载入" },
  en: {
    title: "This page has failed",
    hint: "Recording doesn't depend on the page. Load it again; if it fails again, tell the technician.",
    again: "Load again",
  },
});

/** A fault of a page's own code stays on that page and says so: a blank screen would leave a clerk guessing. */
export class Broken extends Component<{ children: ReactNode }, { error?: Error }> {
  override state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override render(): ReactNode {
    return this.state.error ? <BrokenPage error={this.state.error} /> : this.props.children;
  }
}

function BrokenPage({ error }: { error: Error }) {
  const t = useTexts(texts);
  return (
    <Alert
      data-testid="broken"
      type="error"
      showIcon
      title={t.title}
      description={
        <>
          <p>{t.hint}</p>
          <code>{error.message}</code>
        </>
      }
      action={<Button onClick={() => location.reload()}>{t.again}</Button>}
    />
  );
}
