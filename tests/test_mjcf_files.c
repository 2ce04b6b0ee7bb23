/* The attributes of a model's text, and the files that they name. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envs/mjcf_files.h"
#include "envs/mjcf_scan.h"

static void append(void *user, const ml3_mjcf_attribute *a) {
  char *text = user;
  sprintf(text + strlen(text), "%s.%s=%s;", a->element, a->name, a->value);
}

static void expect_attributes(const char *xml, const char *expected) {
  char found[4096] = "";
  ml3_mjcf_scan(xml, append, found);
  cr_expect_str_eq(found, expected, "%s gives %s", xml, found);
}

Test(mjcf_scan, reads_what_mujoco_reads) {
  expect_attributes("<a b=\"1\" c='2'/><d e = \"3\" ><f/></d>", "a.b=1;a.c=2;d.e=3;");
  expect_attributes("<?xml version='1.0'?><!DOCTYPE a><!-- <b c='1'/> <b c='2'/> -- --><d e='2'/>", "d.e=2;");
  expect_attributes("<![CDATA[ <b c='1'/> ]]><d e='\"'/>", "d.e=\";");
  expect_attributes("<a b='&lt;&amp;&gt;&quot;&apos;'/>", "a.b=<&>\"';");
  expect_attributes("<a b='&#65;&#x42;&#xe9;&#x20ac;'/>", "a.b=AB\xc3\xa9\xe2\x82\xac;");
  expect_attributes("<a b='&unknown; & &#; &#xz;'/>", "a.b=&unknown; & &#; &#xz;;");
  expect_attributes("<a b='\xe9'/>", "a.b=\xe9;"); /* Latin-1 */
}

Test(mjcf_scan, comes_to_an_end_whatever_it_is_given) {
  static const char *const texts[] = {"",     "<",         "<a",       "<a b",      "<a b=",  "<a b='",     "<a b='1",
                                      "<!--", "<a b=1 c>", "<a = '1'", "<![CDATA[", "<?xml ", "<a b='&#x1", "< a='1'>"};
  char found[4096] = "";
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) ml3_mjcf_scan(texts[i], append, found);
  char *text = malloc(20000); /* names and values that are too long are passed over */
  memset(text, 'x', 20000);
  memcpy(text, "<a b='", 6);
  strcpy(text + 19980, "' c='1'/><d e='2'/>");
  found[0] = '\0';
  ml3_mjcf_scan(text, append, found);
  cr_expect_str_eq(found, "a.c=1;d.e=2;");
  free(text);
}

static char folder[32];

static void write_text(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "w");
  cr_assert_not_null(f, "%s", path);
  fputs(text, f);
  fclose(f);
}

static void begin(void) {
  char command[256];
  strcpy(folder, "/tmp/ml3_files_XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
  snprintf(command, sizeof command, "mkdir -p %s/m/sub/deep %s/t %s/other", folder, folder, folder);
  cr_assert_eq(system(command), 0);
  cr_assert_eq(chdir(folder), 0);
}

static void end(void) {
  char command[64];
  cr_assert_eq(chdir("/"), 0);
  snprintf(command, sizeof command, "rm -r %s", folder);
  cr_assert_eq(system(command), 0);
}

static int find(const ml3_mjcf_files *files, const char *relative) {
  for (int i = 0; i < files->count; i++)
    if (strcmp(ml3_mjcf_files_relative(files, i), relative) == 0) return i;
  return -1;
}

Test(mjcf_files, finds_references_wherever_a_mujoco_may_look, .init = begin, .fini = end) {
  write_text("own.xml",
             "<mujoco><compiler meshdir='m' texturedir='t/'/><include file='m/a.xml'/>"
             "<asset><mesh file='x.stl'/><texture fileright='r.png' file='missing.png'/></asset></mujoco>");
  write_text("own.yaml", "goal: {}");
  write_text("m/a.xml", "<mujoco><include file='sub/b.xml'/></mujoco>"); /* beside the file that names it: newer ones */
  write_text("m/sub/b.xml",
             "<mujoco><asset><hfield file='deep/../h.png'/><skin file='/nowhere/s.skn'/></asset></mujoco>");
  write_text("m/x.stl", "");
  write_text("t/r.png", "");
  write_text("m/h.png", "");
  write_text("m/s.skn", ""); /* by strippath */
  write_text("other/unused.stl", "");
  cr_assert_eq(mkdir("m/deep", 0755), 0);
  ml3_error error = {0};
  ml3_mjcf_files files;
  cr_assert_eq(ml3_mjcf_files_find(&files, "own.xml", &error), 0, "%s", error.message);
  cr_expect_str_eq(ml3_mjcf_files_relative(&files, 0), "own.xml");
  cr_expect_str_eq(ml3_mjcf_files_relative(&files, 1), "own.yaml");
  static const char *const expected[] = {"m/a.xml", "m/sub/b.xml", "m/x.stl", "t/r.png", "m/h.png", "m/s.skn"};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
    cr_expect(find(&files, expected[i]) >= 0, "%s is not found", expected[i]);
  cr_expect_eq(files.count, 8);
  ml3_mjcf_files_free(&files);
}

Test(mjcf_files, one_that_includes_itself_is_listed_once, .init = begin, .fini = end) {
  write_text("own.xml", "<mujoco><include file='own.xml'/><include file='./m/../own.xml'/></mujoco>");
  write_text("own.yaml", "");
  ml3_mjcf_files files;
  cr_assert_eq(ml3_mjcf_files_find(&files, "own.xml", NULL), 0);
  cr_expect_eq(files.count, 2);
  ml3_mjcf_files_free(&files);
}

/* What becomes of that text of m/own.xml. */
static void expect_relocated(const char *text, const char *expected) {
  char whole[1024], wanted[1024];
  snprintf(whole, sizeof whole, text, folder, folder);
  snprintf(wanted, sizeof wanted, expected, folder, folder);
  write_text("m/own.xml", whole);
  ml3_mjcf_files files;
  cr_assert_eq(ml3_mjcf_files_find(&files, "m/own.xml", NULL), 0);
  char *moved = ml3_mjcf_files_relocate(&files, 0, whole);
  cr_expect_str_eq(moved, wanted, "%s becomes %s", whole, moved);
  free(moved);
  ml3_mjcf_files_free(&files);
}

Test(mjcf_files, absolute_references_to_what_is_copied_become_relative, .init = begin, .fini = end) {
  write_text("m/own.yaml", "");
  write_text("other/x.stl", "");
  write_text("t/r.png", "");
  expect_relocated("<a><compiler meshdir='%s/other'/><mesh file='x.stl'/></a>",
                   "<a><compiler meshdir='../other'/><mesh file='x.stl'/></a>");
  expect_relocated("<a><mesh file='%s/other/x.stl' /></a>", "<a><mesh file='../other/x.stl' /></a>");
  expect_relocated("<a><compiler meshdir='sub'/><mesh file=\"%s/other/x.stl\"/><texture file='%s/t/r.png'/></a>",
                   "<a><compiler meshdir='sub'/><mesh file=\"../../other/x.stl\"/><texture file='../t/r.png'/></a>");
  expect_relocated("<a><compiler assetdir='%s/t'/><mesh file='%s/other/x.stl'/><texture file='r.png'/></a>",
                   "<a><compiler assetdir='../t'/><mesh file='../other/x.stl'/><texture file='r.png'/></a>");
  expect_relocated("<a><mesh file='/nowhere/x.stl'/></a>", "<a><mesh file='/nowhere/x.stl'/></a>");
}

Test(mjcf_files, a_yaml_brings_its_model_and_what_it_extends, .init = begin, .fini = end) {
  ml3_error error = {0};
  ml3_mjcf_files files;
  write_text("own.yaml", "extends: m/base.yaml\nmodel: m/own.xml\n");
  write_text("m/base.yaml", "extends: ant\nmodel: sub/other.xml\n");
  write_text("m/own.xml", "<mujoco/>");
  write_text("m/sub/other.xml", "<mujoco><include file='more.xml'/></mujoco>");
  write_text("m/sub/more.xml", "<mujoco/>");
  cr_assert_eq(ml3_mjcf_files_find(&files, "own.yaml", &error), 0, "%s", error.message);
  cr_expect_str_eq(ml3_mjcf_files_relative(&files, 0), "own.yaml", "what it is opened by");
  static const char *const expected[] = {"m/base.yaml", "m/own.xml", "m/sub/other.xml", "m/sub/more.xml"};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
    cr_expect(find(&files, expected[i]) >= 0, "%s is not found", expected[i]);
  cr_expect_eq(files.count, 5);
  ml3_mjcf_files_free(&files);
}
