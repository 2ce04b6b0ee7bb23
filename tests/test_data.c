/* Data from files: what is read, and every kind of damage told in a sentence. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metaloss/tables.h"

static char folder[32], path[2][64];

static void make_folder(void) {
  strcpy(folder, "/tmp/ml3_data_XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
  for (int i = 0; i < 2; i++) snprintf(path[i], sizeof path[i], "%s/%d", folder, i);
}

static void drop_folder(void) {
  for (int i = 0; i < 2; i++) unlink(path[i]);
  rmdir(folder);
}

static void write_bytes(int which, const void *bytes, size_t size) {
  FILE *file = fopen(path[which], "wb");
  cr_assert_eq(fwrite(bytes, 1, size, file), size);
  fclose(file);
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

TestSuite(csv, .init = make_folder, .fini = drop_folder);

static ml3_dataset *read_csv(const char *text, const ml3_csv_columns *columns, ml3_error *error) {
  write_bytes(0, text, strlen(text));
  *error = (ml3_error){0};
  return ml3_csv_read(path[0], columns, error);
}

static void refuse_csv(const char *text, const ml3_csv_columns *columns, const char *sentence) {
  ml3_error error;
  ml3_dataset *d = read_csv(text, columns, &error);
  cr_expect_null(d, "'%s' was read", text);
  cr_expect_not_null(strstr(error.message, sentence), "'%s' is not in: %s", sentence, error.message);
  cr_expect(error.code < 0);
  ml3_dataset_free(d);
}

static const char *const y[] = {"y"}, *const label[] = {"label"}, *const two[] = {"b", "a"};

Test(csv, reads_columns_by_name_with_quotes_blank_lines_and_any_line_end) {
  ml3_error error;
  const ml3_csv_columns columns = {.inputs = two, .input_count = 2, .targets = y, .target_count = 1, .task = "who"};
  ml3_dataset *d = read_csv("\xef\xbb\xbf\"a\";who; b ;y\r\n1;\"x; \"\"y\"\"\";2;3\r\n\r\n 4 ;z;-5e-1;\"6\"\r\n7;z;8;9",
                            &columns, &error);
  cr_assert_not_null(d, "%s", error.message);
  cr_expect_eq(d->rows, 3);
  cr_expect_eq(d->inputs, 2);
  cr_expect_eq(d->groups, 2);
  const double x[] = {2, 1, -0.5, 4, 8, 7}, targets[] = {3, 6, 9};
  for (int i = 0; i < 6; i++) cr_expect_float_eq(d->x[i], x[i], 1e-6);
  for (int i = 0; i < 3; i++) cr_expect_float_eq(d->y[i], targets[i], 1e-6);
  cr_expect(d->group[0] != d->group[1] && d->group[1] == d->group[2]);
  ml3_dataset_free(d);
}

Test(csv, takes_all_other_columns_as_inputs_when_none_are_named) {
  ml3_error error;
  const ml3_csv_columns columns = {.targets = y, .target_count = 1, .task = "who"};
  ml3_dataset *d = read_csv("a,who,y,b\n1,p,2,3\n4,q,5,6\n", &columns, &error);
  cr_assert_not_null(d, "%s", error.message);
  cr_expect_eq(d->inputs, 2);
  cr_expect_float_eq(d->x[1], 3, 1e-6);
  ml3_dataset_free(d);
}

Test(csv, numbers_classes_in_order) {
  ml3_error error;
  const ml3_csv_columns columns = {.targets = label, .target_count = 1, .classification = true};
  ml3_dataset *d = read_csv("a,label\n1,10\n2,9\n3,cat\n4,9\n", &columns, &error);
  cr_assert_not_null(d, "%s", error.message);
  cr_expect_eq(d->classes, 3);
  const double classes[] = {1, 0, 2, 0};
  for (int i = 0; i < 4; i++) cr_expect_float_eq(d->y[i], classes[i], 0);
  ml3_dataset_free(d);
}

static ml3_dataset *read_file(const char *name, const char *task, ml3_error *error) {
  static const char *const targets[1] = {"y"};
  const ml3_csv_columns columns = {.targets = targets, .target_count = 1, .task = task};
  char file[512];
  snprintf(file, sizeof file, "%s/data/%s", ML3_TEST_DATA, name);
  return ml3_csv_read(file, &columns, error);
}

/* Row numbers that other programs write before the columns are no input, with tasks or without. */
Test(csv, a_column_without_a_name_is_left_out_and_counted) {
  for (int with_task = 0; with_task < 2; with_task++) {
    ml3_error error = {0};
    ml3_dataset *d = read_file("unnamed_index.csv", with_task ? "x" : "", &error);
    if (with_task) {
      cr_expect_null(d, "x is the task, and nothing else has a name");
      cr_expect_not_null(strstr(error.message, "no column left for inputs"), "%s", error.message);
      continue;
    }
    cr_assert_not_null(d, "%s", error.message);
    cr_expect_eq(d->inputs, 1);
    cr_expect_eq(d->unnamed, 1);
    cr_expect(d->x[0] == 2 && d->x[1] == 1 && d->x[2] == 3);
    ml3_dataset_free(d);
  }
  const ml3_csv_columns columns = {.targets = y, .target_count = 1, .task = "who"};
  ml3_error error = {0};
  ml3_dataset *d = read_csv(",who,x,y,\n0,p,2,7,9\n1,q,1,6,9\n", &columns, &error);
  cr_assert_not_null(d, "%s", error.message);
  cr_expect_eq(d->inputs, 1);
  cr_expect_eq(d->unnamed, 2);
  cr_expect(d->x[0] == 2 && d->x[1] == 1);
  ml3_dataset_free(d);
}

Test(csv, a_name_that_stands_twice_is_refused) {
  ml3_error error = {0};
  cr_expect_null(read_file("name_twice.csv", "", &error));
  cr_expect_eq(error.code, ML3_ERR_FORMAT);
  cr_expect_not_null(strstr(error.message, "name_twice.csv:1: columns 1 and 3 are both named 'y'"), "%s", error.message);
  static const char *const both[2] = {"a", "y"}, *const again[2] = {"a", "a"};
  const ml3_csv_columns leak = {.inputs = both, .input_count = 2, .targets = y, .target_count = 1};
  const ml3_csv_columns inputs = {.inputs = again, .input_count = 2, .targets = y, .target_count = 1};
  const ml3_csv_columns targets = {.targets = again, .target_count = 2};
  refuse_csv("a,y\n1,2\n", &leak, "column 'y' is a target; it cannot be an input as well");
  refuse_csv("a,y\n1,2\n", &inputs, "column 'a' is named twice");
  refuse_csv("a,y\n1,2\n", &targets, "column 'a' is named twice");
  const ml3_csv_columns many = {.inputs = again, .input_count = 5000, .targets = y, .target_count = 1};
  refuse_csv("a,y\n1,2\n", &many, "5000 input columns; 0 (all others) to 4096 are possible");
  refuse_csv("a,\"b\",y,b \n1,2,3,4\n", &leak, "columns 2 and 4 are both named 'b'");
}

Test(csv, tells_what_is_wrong_and_where) {
  const ml3_csv_columns plain = {.targets = y, .target_count = 1};
  const ml3_csv_columns named = {.inputs = two, .input_count = 2, .targets = y, .target_count = 1};
  const ml3_csv_columns tasks = {.targets = y, .target_count = 1, .task = "whom"};
  const ml3_csv_columns classes = {.targets = label, .target_count = 1, .classification = true, .classes = 3};
  const ml3_csv_columns found = {.targets = label, .target_count = 1, .classification = true};
  refuse_csv("", &plain, "is empty");
  refuse_csv("\n\n", &plain, "is empty");
  refuse_csv("a,y\n", &plain, "no rows below");
  refuse_csv("a,y\n1,2\n3\n", &plain, ":3: 1 cells; the first line names 2 columns");
  refuse_csv("a,y\n1,2\n3,4,5\n", &plain, ":3: 3 cells");
  refuse_csv("a,y\n1,2\nnan,4\n", &plain, ":3: column 'a' is 'nan'; expected a finite number");
  refuse_csv("a,y\n1,inf\n", &plain, ":2: column 'y' is 'inf'");
  refuse_csv("a,y\n1,1e999\n", &plain, "expected a finite number");
  refuse_csv("a,y\n,2\n", &plain, ":2: column 'a' is ''");
  refuse_csv("a,y\n1 2,2\n", &plain, "'1 2'");
  refuse_csv("a,y\n\"1,2\n", &plain, ":2: a quote is not closed");
  refuse_csv("a,\"y\n", &plain, ":1: a quote is not closed");
  refuse_csv("y\n1\n", &plain, "no column left for inputs");
  refuse_csv("a,c,y\n1,2,3\n", &named, "no column 'b'");
  refuse_csv("a,who,y\n1,2,3\n", &tasks, "no column 'whom'; did you mean 'who'?");
  refuse_csv("a,label\n1,0\n2,3\n", &classes, ":3: label 'label' is 3; 0 to 2 are possible with 3 classes");
  refuse_csv("a,label\n1,0\n2,-1\n", &classes, ":3: label 'label' is -1");
  refuse_csv("a,label\n1,0.5\n", &classes, "label 'label' is 0.5");
  refuse_csv("a,label\n1,cat\n2,cat\n", &found, "tells 1 class apart");
  refuse_csv("a,label\n1,cat\n2,\n", &found, ":3: column 'label' is empty");
}

/* ---- IDX ---------------------------------------------------------------------------------------------------------- */

TestSuite(idx, .init = make_folder, .fini = drop_folder);

static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 100, 200, 100, 4, 4, 4, 8};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 1};

static void refuse_idx(const unsigned char *image, size_t image_size, const unsigned char *label_bytes,
                       size_t label_size, const char *sentence) {
  ml3_error error = {0};
  write_bytes(0, image, image_size);
  write_bytes(1, label_bytes, label_size);
  ml3_dataset *d = ml3_idx_read(path[0], path[1], 10, 1, &error);
  cr_expect_null(d);
  cr_expect_not_null(strstr(error.message, sentence), "'%s' is not in: %s", sentence, error.message);
  ml3_dataset_free(d);
}

Test(idx, reads_images_and_labels) {
  ml3_error error = {0};
  write_bytes(0, images, sizeof images);
  write_bytes(1, labels, sizeof labels);
  ml3_dataset *d = ml3_idx_read(path[0], path[1], 10, 1, &error);
  cr_assert_not_null(d, "%s", error.message);
  cr_expect_eq(d->rows, 2);
  cr_expect_eq(d->inputs, 4);
  cr_expect_float_eq(d->x[1], 0.5, 1e-6);
  cr_expect_float_eq(d->x[2], 1, 1e-6);
  cr_expect_float_eq(d->y[0], 7, 0);
  ml3_dataset_free(d);
  d = ml3_idx_read(path[0], path[1], 10, 2, &error);
  cr_assert_not_null(d, "%s", error.message);
  cr_expect_eq(d->inputs, 1);
  cr_expect_float_eq(d->x[0], 0.5, 1e-6); /* the mean of 0, 100, 200, 100, by 200 */
  ml3_dataset_free(d);
}

Test(idx, tells_what_is_wrong) {
  unsigned char bytes[sizeof images], other[sizeof labels];
  memcpy(bytes, images, sizeof images);
  bytes[2] = 0xd; /* floats */
  refuse_idx(bytes, sizeof bytes, labels, sizeof labels, "is not an IDX file of images: it begins with 0x00000d03");
  refuse_idx(labels, sizeof labels, labels, sizeof labels, "expected 0x00000803");
  refuse_idx(images, sizeof images, images, sizeof images, "is not an IDX file of labels");
  refuse_idx(images, 9, labels, sizeof labels, "is cut off in its header");
  refuse_idx(images, 2, labels, sizeof labels, "is not an IDX file");
  refuse_idx(images, sizeof images - 1, labels, sizeof labels, "its header says 8 values, 7 follow");
  memcpy(bytes, images, sizeof images);
  memset(bytes + 4, 0xff, 12); /* 2^96 pixels */
  refuse_idx(bytes, sizeof bytes, labels, sizeof labels, "is cut off");
  memset(bytes + 4, 0, 4);
  refuse_idx(bytes, sizeof bytes, labels, sizeof labels, "is empty");
  memcpy(other, labels, sizeof labels);
  other[8] = 10;
  refuse_idx(images, sizeof images, other, sizeof other, "label number 1 is 10; 0 to 9 are possible with 10 classes");
  refuse_idx(images, sizeof images, (const unsigned char[]){0, 0, 8, 1, 0, 0, 0, 1, 7}, 9, "has 2 images");
  bytes[0] = 0x1f, bytes[1] = 0x8b;
  refuse_idx(bytes, sizeof bytes, labels, sizeof labels, "is compressed; unpack it first");
}

Test(idx, the_digits_that_come_with_it_are_1797_of_ten_classes) {
  ml3_error error = {0};
  ml3_dataset *d = ml3_digits(&error);
  cr_assert_not_null(d, "%s", error.message);
  cr_expect_eq(d->rows, 1797);
  cr_expect_eq(d->inputs, 64);
  int count[10] = {0};
  static const int expected[10] = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180}; /* scikit-learn's description */
  for (int i = 0; i < d->rows; i++) count[(int)d->y[i]]++;
  for (int i = 0; i < 10; i++) cr_expect_eq(count[i], expected[i]);
  static const int first[] = {0, 0, 5, 13, 9, 1, 0, 0};
  for (int i = 0; i < 8; i++) cr_expect_float_eq(d->x[i], first[i] / 16.0, 1e-6);
  ml3_dataset_free(d);
}
