/** The demo's court: a court with two courtrooms and a detention centre with one room, all on simulated devices. */
export interface DemoCamera {
  seat: string;
  label: string;
  /** Clip name without `-main` and `-small`. */
  clip: string;
}

export interface DemoMicrophone {
  seat: string;
  label: string;
  clip: string;
}

/** One RTSP encoder behind the room's mixer; L16 microphones are the channels of one track, two by two. */
export interface DemoEncoder {
  id: string;
  encoding: "aac" | "pcma" | "pcmu" | "l16";
  microphones: DemoMicrophone[];
}

export interface DemoRoom {
  siteId: string;
  id: string;
  nameZh: string;
  nameEn: string;
  seats: { id: string; nameZh: string; nameEn: string }[];
  cameras: DemoCamera[];
  encoders: DemoEncoder[];
}

export const demoSites = [
  { id: "court-1", kind: "COURT", name: "獬豸市示范区人民法院", courtCode: "粤0304" },
  { id: "detention-1", kind: "DETENTION_CENTRE", name: "獬豸市第一看守所" },
] as const;

const at = (siteId: string, ...roles: string[]) => roles.map((role) => ({ role, siteId }));

/** Whoever may be tried out; the hub gives each a random password at its first start. */
export const demoUsers = [
  { login: "clerk", name: "李华", roles: at("court-1", "CLERK") },
  { login: "clerk2", name: "赵敏", roles: at("court-1", "CLERK") },
  { login: "judge", name: "张明", roles: at("court-1", "JUDGE") },
  { login: "technician", name: "陈工", roles: [...at("court-1", "TECHNICIAN"), ...at("detention-1", "TECHNICIAN")] },
  { login: "operator", name: "周航", roles: [...at("court-1", "OPERATOR"), ...at("detention-1", "OPERATOR")] },
  { login: "officer", name: "孙警官", roles: at("detention-1", "DETENTION_OFFICER") },
  { login: "archivist", name: "吴静", roles: at("court-1", "ARCHIVIST") },
  { login: "sysadmin", name: "系统管理员", roles: at("court-1", "SYSTEM_ADMINISTRATOR") },
  { login: "secadmin", name: "安全管理员", roles: at("court-1", "SECURITY_ADMINISTRATOR") },
  { login: "auditadmin", name: "审计管理员", roles: at("court-1", "AUDIT_ADMINISTRATOR") },
];

const seat = (id: string, nameZh: string, nameEn: string) => ({ id, nameZh, nameEn });

export const demoRooms: DemoRoom[] = [
  {
    siteId: "court-1",
    id: "courtroom-1",
    nameZh: "第一法庭",
    nameEn: "Courtroom 1",
    seats: [
      seat("judge", "审判席", "Bench"),
      seat("clerk", "书记员席", "Clerk"),
      seat("plaintiff", "原告席", "Plaintiff"),
      seat("defendant", "被告席", "Defendant"),
      seat("witness", "证人席", "Witness"),
      seat("public", "旁听席", "Public"),
    ],
    cameras: [
      { seat: "judge", label: "审判席", clip: "court1-judge" },
      { seat: "plaintiff", label: "原告席", clip: "court1-plaintiff" },
      { seat: "defendant", label: "被告席", clip: "court1-defendant" },
      { seat: "public", label: "全景", clip: "court1-panorama" },
    ],
    encoders: [
      {
        id: "encoder-a",
        encoding: "aac",
        microphones: [
          { seat: "judge", label: "审判席", clip: "court1-judge" },
          { seat: "clerk", label: "书记员席", clip: "court1-clerk" },
        ],
      },
      { id: "encoder-b", encoding: "pcma", microphones: [{ seat: "plaintiff", label: "原告席", clip: "court1-plaintiff" }] },
      { id: "encoder-c", encoding: "pcmu", microphones: [{ seat: "defendant", label: "被告席", clip: "court1-defendant" }] },
      {
        id: "encoder-d",
        encoding: "l16",
        microphones: [
          { seat: "witness", label: "证人席", clip: "court1-witness" },
          { seat: "public", label: "旁听席", clip: "court1-public" },
        ],
      },
    ],
  },
  {
    siteId: "court-1",
    id: "courtroom-2",
    nameZh: "第二法庭",
    nameEn: "Courtroom 2",
    seats: [
      seat("judge", "审判席", "Bench"),
      seat("clerk", "书记员席", "Clerk"),
      seat("plaintiff", "原告席", "Plaintiff"),
      seat("defendant", "被告席", "Defendant"),
      seat("public", "旁听席", "Public"),
    ],
    cameras: [
      { seat: "judge", label: "审判席", clip: "court2-judge" },
      { seat: "public", label: "全景", clip: "court2-panorama" },
    ],
    encoders: [
      {
        id: "encoder-a",
        encoding: "aac",
        microphones: [
          { seat: "judge", label: "审判席", clip: "court2-judge" },
          { seat: "clerk", label: "书记员席", clip: "court2-clerk" },
        ],
      },
      {
        id: "encoder-b",
        encoding: "l16",
        microphones: [
          { seat: "plaintiff", label: "原告席", clip: "court2-plaintiff" },
          { seat: "defendant", label: "被告席", clip: "court2-defendant" },
        ],
      },
    ],
  },
  {
    siteId: "detention-1",
    id: "interrogation-1",
    nameZh: "第一讯问室",
    nameEn: "Interrogation room 1",
    seats: [seat("detainee", "在押人员", "Detainee"), seat("officer", "民警", "Officer")],
    cameras: [{ seat: "detainee", label: "在押人员", clip: "detention1-detainee" }],
    encoders: [
      {
        id: "encoder-a",
        encoding: "aac",
        microphones: [
          { seat: "detainee", label: "在押人员", clip: "detention1-detainee" },
          { seat: "officer", label: "民警", clip: "detention1-officer" },
        ],
      },
    ],
  },
];

export function cameraId({ clip }: DemoCamera): string {
  return `camera-${clip.slice(clip.indexOf("-") + 1)}`;
}
