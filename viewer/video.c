/* Frames through ffmpeg: see video.h. */
#define _POSIX_C_SOURCE 200809L
#include "base/file.h"
#include "viewer/video.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_file(const char *path) {
  return ml3_file_ends_in(path, ".mp4") || ml3_file_ends_in(path, ".gif") || ml3_file_ends_in(path, ".png");
}

/* The path as ffmpeg takes it for a file, whatever it looks like: "http://..." and "-y" name files too. In a pattern of frames
   a percent sign is doubled. */
static void write_output(const char *path, bool folder, char *output, size_t size) {
  size_t used = (size_t)snprintf(output, size, "file:");
  for (; *path && used + 32 < size; path++) {
    if (*path == '%' && folder) output[used++] = '%';
    output[used++] = *path;
  }
  snprintf(output + used, size - used, "%s", folder ? "/frame_%06d.png" : "");
}

/* In the child: becomes ffmpeg, or ends with 127. */
static void become_ffmpeg(const ml3_video *v, const char *size, const char *rate) {
  char output[2400];
  const char *input[] = {"ffmpeg", "-loglevel",   "error", "-y",         "-f", "rawvideo", "-pixel_format",
                         "rgb24",  "-video_size", size,    "-framerate", rate, "-i",       "-",
                         NULL};
  const char *mp4[] = {"-vf", "vflip",     "-c:v",       "libx264", "-pix_fmt", "yuv420p", "-threads",
                       "2",   "-movflags", "+faststart", "-f",      "mp4",      NULL};
  const char *gif[] = {"-vf", "vflip,split[a][b];[a]palettegen[p];[b][p]paletteuse", "-f", "gif", NULL};
  const char *png[] = {"-vf", "vflip", "-f", "image2", "-start_number", "0", NULL};
  const char *one[] = {"-vf", "vflip", "-frames:v", "1", "-c:v", "png", "-f", "image2", "-update", "1", NULL};
  bool folder = !is_file(v->target);
  const char *const *more = ml3_file_ends_in(v->target, ".mp4") ? mp4 : ml3_file_ends_in(v->target, ".gif") ? gif : folder ? png : one;
  const char *arguments[48];
  int n = 0;
  for (int i = 0; input[i]; i++) arguments[n++] = input[i];
  for (int i = 0; more[i]; i++) arguments[n++] = more[i];
  write_output(v->temporary, folder, output, sizeof output);
  arguments[n++] = output;
  arguments[n] = NULL;
  execvp("ffmpeg", (char *const *)arguments);
  _exit(127);
}

static int start_ffmpeg(ml3_video *v, int width, int height, double fps, ml3_error *error) {
  char size[32], rate[32];
  int ends[2];
  snprintf(size, sizeof size, "%dx%d", width, height);
  snprintf(rate, sizeof rate, "%.6g", fps);
  if (pipe(ends) != 0 || (v->child = fork()) < 0)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "cannot start ffmpeg: %s", strerror(errno));
  if (v->child == 0) {
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    close(ends[1]);
    int null = open("/dev/null", O_WRONLY);
    if (null >= 0) dup2(null, STDOUT_FILENO), dup2(null, STDERR_FILENO);
    become_ffmpeg(v, size, rate);
  }
  close(ends[0]);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  v->pipe = ends[1];
  return ML3_OK;
}

int ml3_video_open(ml3_video *v, const char *path, int width, int height, double fps, ml3_error *error) {
  struct stat info;
  *v = (ml3_video){.pipe = -1, .frame_bytes = (size_t)width * (size_t)height * 3};
  snprintf(v->target, sizeof v->target, "%s", path);
  for (size_t end = strlen(v->target); end > 1 && v->target[end - 1] == '/';) v->target[--end] = '\0'; /* of a folder */
  snprintf(v->temporary, sizeof v->temporary, "%s.tmp-%ld", v->target, (long)getpid());
  if (strlen(path) >= sizeof v->target)
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "the path '%.80s...' is too long", path);
  if (ml3_file_ends_in(path, ".mp4") && (width % 2 || height % 2))
    return ml3_error_set(error, ML3_ERR_ARGUMENT, "%d x %d: width and height of an MP4 video must be even", width,
                         height);

  bool file = is_file(path);
  if (!file && stat(path, &info) == 0)
    return ml3_error_set(
        error, ML3_ERR_IO,
        "'%s' exists already; frames go into a new folder, video into FILE.mp4 or FILE.gif, one picture into FILE.png",
        path);
  int probe = file ? open(v->temporary, O_CREAT | O_WRONLY, 0644) : mkdir(v->temporary, 0755);
  if (probe < 0)
    return ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s; choose a place you may write to", path,
                         strerror(errno));
  if (file) close(probe);
  int code = start_ffmpeg(v, width, height, fps, error);
  if (code != ML3_OK) ml3_video_abandon(v);
  return code;
}

/* Waits for ffmpeg; its exit code, 127 when it is not installed. */
static int wait_for(ml3_video *v) {
  int status = 0;
  if (v->pipe >= 0) close(v->pipe);
  v->pipe = -1;
  if (v->child <= 0) return 1;
  while (waitpid(v->child, &status, 0) < 0 && errno == EINTR) continue;
  v->child = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int report(ml3_video *v, int exit_code, ml3_error *error) {
  if (exit_code == 127)
    return ml3_error_set(error, ML3_ERR_UNAVAILABLE, "ffmpeg is not installed; `apt-get install ffmpeg` brings it");
  return ml3_error_set(error, ML3_ERR_IO, "ffmpeg failed while it wrote '%s'", v->target);
}

int ml3_video_frame(ml3_video *v, const unsigned char *rgb, ml3_error *error) {
  struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
  sigaction(SIGPIPE, &ignore, &before); /* a dead ffmpeg is an error, not the end of this process */
  size_t done = 0;
  while (done < v->frame_bytes) {
    ssize_t n = write(v->pipe, rgb + done, v->frame_bytes - done);
    if (n > 0)
      done += (size_t)n;
    else if (errno != EINTR)
      break;
  }
  sigaction(SIGPIPE, &before, NULL);
  return done == v->frame_bytes ? ML3_OK : report(v, wait_for(v), error);
}

int ml3_video_commit(ml3_video *v, ml3_error *error) {
  int exit_code = wait_for(v), code = exit_code ? report(v, exit_code, error) : ML3_OK;
  if (code == ML3_OK && rename(v->temporary, v->target) != 0)
    code = ml3_error_set(error, ML3_ERR_IO, "cannot write '%s': %s", v->target, strerror(errno));
  if (code != ML3_OK) ml3_video_abandon(v);
  return code;
}

void ml3_video_abandon(ml3_video *v) {
  wait_for(v);
  DIR *dir = opendir(v->temporary);
  if (!dir) {
    unlink(v->temporary);
    return;
  }
  for (struct dirent *e = readdir(dir); e; e = readdir(dir))
    if (e->d_name[0] != '.') unlinkat(dirfd(dir), e->d_name, 0);
  closedir(dir);
  rmdir(v->temporary);
}
