import type { Driver } from "./driver.ts";
import { onvifCamera } from "./drivers/onvif-camera/onvif-camera.driver.ts";
import { rtspAudio } from "./drivers/rtsp-audio/rtsp-audio.driver.ts";

/** Every driver, one line each. */
export const drivers: readonly Driver[] = [onvifCamera, rtspAudio];

export function driverOf(id: string): Driver {
  const found = drivers.find((driver) => driver.id === id);
  if (!found) throw new Error(`no driver ${id}; there are ${drivers.map((driver) => driver.id).join(", ")}`);
  return found;
}
