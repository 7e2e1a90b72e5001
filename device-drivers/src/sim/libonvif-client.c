/* Drives a camera through Debian's libonvif, so that one misreading of ONVIF can't hide in both our driver and our simulator.
 * usage: client DEVICE_SERVICE_URL USERNAME; the password is the first line of standard input. */
#include <onvif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(const char *what, int failed, struct OnvifData *camera) {
    /* libonvif seeds its nonce by the second, and the camera takes a nonce once. */
    sleep(1);
    if (failed == 0) return;
    fprintf(stderr, "%s: %s\n", what, camera->last_error);
    exit(1);
}

int main(int argc, char **argv) {
    struct OnvifData *camera = calloc(1, sizeof *camera);
    if (argc != 3 || camera == NULL || fgets(camera->password, sizeof camera->password, stdin) == NULL) return 2;
    camera->password[strcspn(camera->password, "\n")] = 0;
    snprintf(camera->xaddrs, sizeof camera->xaddrs, "%s", argv[1]);
    snprintf(camera->device_service, sizeof camera->device_service, "POST /onvif/device_service HTTP/1.1\r\n");
    snprintf(camera->username, sizeof camera->username, "%s", argv[2]);
    must("getTimeOffset", getTimeOffset(camera), camera);
    must("getCapabilities", getCapabilities(camera), camera);
    must("getDeviceInformation", getDeviceInformation(camera), camera);
    must("getProfileToken", getProfileToken(camera, 0), camera);
    must("getProfile", getProfile(camera), camera);
    must("getStreamUri", getStreamUri(camera), camera);
    must("gotoPreset", gotoPreset("2", camera), camera);
    printf("%s %dx%d %s\n", camera->profileToken, camera->width, camera->height, camera->stream_uri);
    return 0;
}
