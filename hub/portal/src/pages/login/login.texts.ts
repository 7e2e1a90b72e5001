import { defineTexts } from "../../ui/language.ts";

export const texts = defineTexts({
  zh: {
    product: "獬豸",
    motto: "辨是非曲直，存庭审之真",
    login: "用户名",
    password: "密码",
    pin: "PIN 码",
    ownRoom: (roomId: string) => `本庭地址 · ${roomId} · 中心不可用时也可使用`,
    enter: "登录",
    language: "English",
  },
  en: {
    product: "Xiezhi",
    motto: "Tells right from wrong, keeps the hearing as it was",
    login: "User name",
    password: "Password",
    pin: "PIN",
    ownRoom: (roomId: string) => `the room's own address · ${roomId} · works without the hub`,
    enter: "Log in",
    language: "中文",
  },
});
