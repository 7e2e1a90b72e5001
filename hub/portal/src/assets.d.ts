declare module "*.svg" {
  const url: string;
  export default url;
}
declare module "*.css";
// antd's own types describe its CommonJS build; the bundler takes the ES one, whose default export is the locale itself.
declare module "antd/es/locale/zh_CN.js" {
  const locale: { locale: string };
  export default locale;
}
declare module "antd/es/locale/en_US.js" {
  const locale: { locale: string };
  export default locale;
}
