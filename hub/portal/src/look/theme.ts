import type { ThemeConfig } from "antd";

/** Ink on paper, with cinnabar for what is decided: antd's share of it; page.css has the rest. */
export const antdTheme: ThemeConfig = {
  token: {
    colorPrimary: "#1d3a5f",
    colorInfo: "#1d3a5f",
    colorError: "#a3231a",
    colorWarning: "#9a5b00",
    colorSuccess: "#1c6b45",
    colorLink: "#1d3a5f",
    colorTextBase: "#17202b",
    colorBgLayout: "#f5f2ea",
    colorBorder: "#b9b2a2",
    colorBorderSecondary: "#ddd7c9",
    colorTextPlaceholder: "#6b6a66",
    colorTextDescription: "#55575c",
    colorErrorBg: "#fcece9",
    colorErrorBorder: "#d99a93",
    colorWarningBg: "#fff4dc",
    colorWarningBorder: "#d9a94a",
    colorInfoBg: "#eef2f7",
    borderRadius: 5,
    fontSize: 15,
    fontFamily: '"Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif',
  },
  components: { Table: { headerBg: "#ece7db", rowHoverBg: "#f5f1e6" }, Modal: { titleFontSize: 19 } },
};
