import { defineTexts } from "../../ui/language.ts";

export const texts = defineTexts({
  zh: {
    product: "獬豸",
    motto: "辨是非曲直，存庭审之真",
    login: "用户名",
    password: "密码",
    enter: "登录",
    language: "English",
  },
  en: {
    product: "Xiezhi",
    motto: "Tells right from wrong, keeps the hearing as it was",
    login: "User name",
    password: "Password",
    enter: "Log in",
    language: "中文",
  },
});
