/** What the demo's rooms see and hear. Clip names are `<room>-<seat>-main`, `-small` for pictures and `-aac`, `-pcma`, `-pcmu`, `-l16` for sound. */
export interface CameraPlan {
  room: string;
  seat: string;
  /** Read off the bars by tests; at most 15. */
  camera: number;
  title: string;
  figures: number;
  /** Colour of the wall, YUV with 128 as grey. */
  wall: [luma: number, u: number, v: number];
}

export interface VoicePlan {
  room: string;
  seat: string;
  /** A voice of espeak-ng, with its variant. */
  voice: string;
  pitch: number;
  wordsAMinute: number;
  text: string;
}

export const cameras: CameraPlan[] = [
  { room: "court1", seat: "judge", camera: 1, title: "第一法庭 审判席 · Court 1 Judge", figures: 3, wall: [108, 120, 146] },
  { room: "court1", seat: "plaintiff", camera: 2, title: "第一法庭 原告席 · Court 1 Plaintiff", figures: 1, wall: [120, 140, 118] },
  { room: "court1", seat: "defendant", camera: 3, title: "第一法庭 被告席 · Court 1 Defendant", figures: 2, wall: [96, 116, 122] },
  { room: "court1", seat: "panorama", camera: 4, title: "第一法庭 全景 · Court 1 Panorama", figures: 5, wall: [132, 124, 134] },
  { room: "court2", seat: "judge", camera: 5, title: "第二法庭 审判席 · Court 2 Judge", figures: 1, wall: [92, 138, 128] },
  { room: "court2", seat: "panorama", camera: 6, title: "第二法庭 全景 · Court 2 Panorama", figures: 4, wall: [118, 112, 138] },
  {
    room: "detention1",
    seat: "detainee",
    camera: 7,
    title: "看守所一号室 在押人员 · Detention 1 Detainee",
    figures: 1,
    wall: [84, 134, 124],
  },
];

export const voices: VoicePlan[] = [
  {
    room: "court1",
    seat: "judge",
    voice: "cmn+m1",
    pitch: 35,
    wordsAMinute: 150,
    text: "现在开庭。本案由审判员张明独任审理，书记员李华担任法庭记录。请当事人陈述身份。",
  },
  {
    room: "court1",
    seat: "clerk",
    voice: "cmn+f2",
    pitch: 60,
    wordsAMinute: 160,
    text: "请肃静。请全体起立。旁听人员不得录音录像，不得随意走动，请关闭手机。",
  },
  {
    room: "court1",
    seat: "plaintiff",
    voice: "cmn+f4",
    pitch: 70,
    wordsAMinute: 170,
    text: "原告请求判令被告归还借款本金十万元，并支付逾期利息。事实和理由如起诉状所述。",
  },
  {
    room: "court1",
    seat: "defendant",
    voice: "cmn+m4",
    pitch: 25,
    wordsAMinute: 140,
    text: "被告认可借款事实，但是已经归还了三万元，请求法院查明，驳回多余的部分。",
  },
  {
    room: "court1",
    seat: "witness",
    voice: "en-gb+m3",
    pitch: 45,
    wordsAMinute: 150,
    text: "I was present on the third of March. I saw the defendant hand over an envelope, and I heard them speak about a loan.",
  },
  {
    room: "court1",
    seat: "public",
    voice: "en-us+f3",
    pitch: 55,
    wordsAMinute: 165,
    text: "This is the public gallery microphone of court room one. Testing, one, two, three, four, five, six, seven, eight, nine, ten.",
  },
  {
    room: "court2",
    seat: "judge",
    voice: "cmn+f1",
    pitch: 45,
    wordsAMinute: 145,
    text: "现在进行法庭调查。请公诉人宣读起诉书，被告人可以就指控的事实进行陈述。",
  },
  {
    room: "court2",
    seat: "clerk",
    voice: "en-gb+f2",
    pitch: 65,
    wordsAMinute: 155,
    text: "Court room two, clerk speaking. The parties are present and the recording has been started on time.",
  },
  {
    room: "court2",
    seat: "plaintiff",
    voice: "cmn+m3",
    pitch: 50,
    wordsAMinute: 165,
    text: "我方对证据的真实性、合法性和关联性均无异议，请求法庭予以确认。",
  },
  {
    room: "court2",
    seat: "defendant",
    voice: "en-us+m7",
    pitch: 30,
    wordsAMinute: 150,
    text: "I disagree with the second and with the fourth item of evidence. The signature on page nine is not mine.",
  },
  {
    room: "detention1",
    seat: "detainee",
    voice: "cmn+m7",
    pitch: 40,
    wordsAMinute: 140,
    text: "我听清楚了。我的姓名是王强，我自愿如实供述，没有需要补充的内容。",
  },
  {
    room: "detention1",
    seat: "officer",
    voice: "cmn+m2",
    pitch: 55,
    wordsAMinute: 160,
    text: "现在进行远程讯问。在押人员身份已经核对，设备正常，可以开始。",
  },
];
