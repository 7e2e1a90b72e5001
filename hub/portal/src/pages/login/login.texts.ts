import { defineTexts } from "../../ui/language.ts";

export const texts = defineTexts({
  zh: {
    product: "獬豸",
    motto: "辨是非曲直，存庭审之真",
    login: "用户名",
    password: "密码",
    pin: "PIN 码",
    ownRoom: (roomId: string) => `本庭地址 · ${roomId}`,
    withoutHub: "中心不可用时也可使用",
    enter: "登录",
    language: "English",
  },
  en: {
    product: "Xiezhi",
    motto: "Tells right from wrong, keeps the hearing as it was",
    login: "Login",
    password: "Password",
    pin: "PIN",
    ownRoom: (roomId: string) => `The room's own address · ${roomId}`,
    withoutHub: "works without the hub too",
    enter: "Log in",
    language: "中文",
  },
});
