/* Tensor files: round trips to the bit, conversion, and every way a file can be damaged. */
#define _POSIX_C_SOURCE 200809L
#include "nn/tensor_file.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A path in a new folder, both removed by clean. */
static const char *scratch(const char *name) {
  static char path[256];
  char folder[] = "/tmp/ml3_tensor_file_XXXXXX";
  cr_assert_not_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void clean(const char *path) {
  char folder[256];
  snprintf(folder, sizeof folder, "%s", path);
  remove(path);
  *strrchr(folder, '/') = '\0';
  remove(folder);
}

static void write_bytes(const char *path, const void *bytes, size_t size) {
  FILE *out = fopen(path, "wb");
  cr_assert_not_null(out);
  cr_assert_eq(fwrite(bytes, 1, size, out), size);
  fclose(out);
}

static size_t read_bytes(const char *path, char *bytes, size_t limit) {
  FILE *in = fopen(path, "rb");
  cr_assert_not_null(in);
  const size_t size = fread(bytes, 1, limit, in);
  fclose(in);
  return size;
}

/* A file with that header and data_bytes bytes of data. */
static size_t compose(char *bytes, const char *header, const void *data, size_t data_bytes) {
  const uint64_t length = strlen(header);
  memcpy(bytes, &length, 8);
  memcpy(bytes + 8, header, length);
  if (data_bytes) memcpy(bytes + 8 + length, data, data_bytes);
  return 8 + length + data_bytes;
}

static ml3_nn_tensors *load_composed(const char *header, const void *data, size_t data_bytes,
                                     ml3_error *error) {
  static char bytes[65536];
  const char *path = scratch("composed.safetensors");
  write_bytes(path, bytes, compose(bytes, header, data, data_bytes));
  ml3_nn_tensors *t = ml3_nn_tensors_load(path, error);
  clean(path);
  return t;
}

static void expect_refused(const char *path, int code, const char *words) {
  ml3_error error = {0};
  ml3_nn_tensors *t = ml3_nn_tensors_load(path, &error);
  cr_expect_null(t, "%s is refused", words);
  cr_expect_eq(error.code, code, "code %d for %s", error.code, words);
  cr_expect(strstr(error.message, path) != NULL, "\"%s\" names the file", error.message);
  cr_expect(strstr(error.message, words) != NULL, "\"%s\" says: %s", error.message, words);
  ml3_nn_tensors_free(t);
}

/* Eight bytes of data follow the header. */
static void expect_header_refused(const char *header, const char *words) {
  static char bytes[4096];
  const char *path = scratch("damaged.safetensors");
  write_bytes(path, bytes, compose(bytes, header, "12345678", 8));
  expect_refused(path, ML3_ERR_FORMAT, words);
  clean(path);
}

static const ml3_real matrix[6] = {1, -2.5, (ml3_real)0.1, 0, (ml3_real)1e-30, 3};
static const int64_t counters[3] = {INT64_MIN, 7, INT64_MAX};

/* Five odd reals, counters, a matrix, text. */
static ml3_nn_tensors *example(void) {
  const ml3_real odd[5] = {(ml3_real)NAN, (ml3_real)INFINITY, (ml3_real)-INFINITY, (ml3_real)-0.0,
                           (ml3_real)1e-42};
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  cr_assert_not_null(t);
  cr_assert_eq(ml3_nn_tensors_put(t, "odd", 0, 5, odd, NULL), ML3_OK);
  cr_assert_eq(ml3_nn_tensors_put_ints(t, "counters", 3, counters, NULL), ML3_OK);
  cr_assert_eq(ml3_nn_tensors_put(t, "matrix", 2, 3, matrix, NULL), ML3_OK);
  cr_assert_eq(ml3_nn_tensors_put_text(t, "format", "ml3 \"loss\" \xc3\xa4\n", NULL), ML3_OK);
  return t;
}

static void check_example(const ml3_nn_tensors *t) {
  ml3_real odd[5], m[6];
  int64_t ints[3];
  cr_assert_eq(ml3_nn_tensors_get_raw(t, "odd", 5, odd, NULL), ML3_OK);
  cr_assert_eq(ml3_nn_tensors_get(t, "matrix", 6, m, NULL), ML3_OK);
  cr_assert_eq(ml3_nn_tensors_get_ints(t, "counters", 3, ints, NULL), ML3_OK);

  cr_expect(isnan(odd[0]) && odd[1] > 0 && isinf(odd[1]) && odd[2] < 0 && isinf(odd[2]));
  cr_expect(odd[3] == 0 && signbit(odd[3]));
  cr_expect(odd[4] == (ml3_real)1e-42, "a subnormal number stays");
  cr_expect_eq(memcmp(m, matrix, sizeof m), 0);
  cr_expect_eq(memcmp(ints, counters, sizeof ints), 0);
  cr_expect_str_eq(ml3_nn_tensors_text(t, "format"), "ml3 \"loss\" \xc3\xa4\n");
}

Test(tensor_file, holds_numbers_and_text_in_memory) {
  ml3_nn_tensors *t = example();
  check_example(t);
  cr_expect_eq(ml3_nn_tensors_size(t, "matrix"), 6);
  cr_expect_eq(ml3_nn_tensors_size(t, "nothing"), 0);
  cr_expect_null(ml3_nn_tensors_text(t, "nothing"));
  ml3_nn_tensors_free(t);
}

Test(tensor_file, round_trip_keeps_every_bit) {
  const char *path = scratch("round.safetensors");
  ml3_nn_tensors *t = example();
  ml3_error error = {0};
  cr_assert_eq(ml3_nn_tensors_save(t, path, &error), ML3_OK, "%s", error.message);
  ml3_nn_tensors_free(t);

  t = ml3_nn_tensors_load(path, &error);
  cr_assert_not_null(t, "%s", error.message);
  check_example(t);

  /* Saved once more it is the same file, byte for byte. */
  char first[4096], second[4096];
  const size_t size = read_bytes(path, first, sizeof first);
  cr_assert_eq(ml3_nn_tensors_save(t, path, NULL), ML3_OK);
  cr_expect_eq(read_bytes(path, second, sizeof second), size);
  cr_expect_eq(memcmp(first, second, size), 0);
  ml3_nn_tensors_free(t);
  clean(path);
}

Test(tensor_file, data_start_aligned_to_eight_bytes) {
  const char *path = scratch("aligned.safetensors");
  for (int extra = 0; extra < 9; extra++) {
    ml3_nn_tensors *t = example();
    const char text[] = "xxxxxxxxx";
    ml3_nn_tensors_put_text(t, "padding", text + extra, NULL);
    cr_assert_eq(ml3_nn_tensors_save(t, path, NULL), ML3_OK);
    ml3_nn_tensors_free(t);

    char bytes[4096];
    uint64_t length;
    const size_t size = read_bytes(path, bytes, sizeof bytes);
    memcpy(&length, bytes, 8);
    cr_expect_eq(length % 8, 0);
    cr_expect_eq(bytes[8], '{');
    cr_expect_eq(size, 8 + length + 3 * 8 + 11 * sizeof(ml3_real));
  }
  clean(path);
}

Test(tensor_file, an_empty_collection_and_empty_tensors_round_trip) {
  const char *path = scratch("empty.safetensors");
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  cr_assert_eq(ml3_nn_tensors_save(t, path, NULL), ML3_OK);
  ml3_nn_tensors_free(t);
  t = ml3_nn_tensors_load(path, NULL);
  cr_assert_not_null(t);

  cr_assert_eq(ml3_nn_tensors_put(t, "none", 0, 0, NULL, NULL), ML3_OK);
  cr_assert_eq(ml3_nn_tensors_put(t, "some", 0, 6, matrix, NULL), ML3_OK);
  cr_assert_eq(ml3_nn_tensors_save(t, path, NULL), ML3_OK);
  ml3_nn_tensors_free(t);

  t = ml3_nn_tensors_load(path, NULL);
  cr_assert_not_null(t);
  cr_expect_eq(ml3_nn_tensors_get(t, "none", 0, NULL, NULL), ML3_OK);
  cr_expect_eq(ml3_nn_tensors_size(t, "some"), 6);
  ml3_nn_tensors_free(t);
  clean(path);
}

Test(tensor_file, many_tensors_round_trip) {
  const char *path = scratch("many.safetensors");
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  char name[32];
  for (int i = 0; i < 300; i++) {
    const ml3_real value = (ml3_real)i;
    snprintf(name, sizeof name, "layer.%d.weight", i);
    cr_assert_eq(ml3_nn_tensors_put(t, name, 1, 1, &value, NULL), ML3_OK);
  }
  cr_assert_eq(ml3_nn_tensors_save(t, path, NULL), ML3_OK);
  ml3_nn_tensors_free(t);

  t = ml3_nn_tensors_load(path, NULL);
  cr_assert_not_null(t);
  for (int i = 0; i < 300; i++) {
    ml3_real value = -1;
    snprintf(name, sizeof name, "layer.%d.weight", i);
    cr_expect_eq(ml3_nn_tensors_get(t, name, 1, &value, NULL), ML3_OK);
    cr_expect_eq(value, (ml3_real)i);
  }
  ml3_nn_tensors_free(t);
  clean(path);
}

Test(tensor_file, putting_a_name_again_replaces_the_tensor) {
  ml3_nn_tensors *t = example();
  const ml3_real other = 4;
  ml3_real back = 0;
  cr_assert_eq(ml3_nn_tensors_put(t, "matrix", 0, 1, &other, NULL), ML3_OK);
  cr_expect_eq(ml3_nn_tensors_size(t, "matrix"), 1);
  cr_expect_eq(ml3_nn_tensors_get(t, "matrix", 1, &back, NULL), ML3_OK);
  cr_expect_eq(back, 4);
  ml3_nn_tensors_put_text(t, "format", "new", NULL);
  cr_expect_str_eq(ml3_nn_tensors_text(t, "format"), "new");
  ml3_nn_tensors_free(t);
}

Test(tensor_file, single_and_double_precision_are_converted) {
  struct {
    double wide[2];
    float narrow[2];
  } data = {{0.1, -1e3}, {0.1f, 2.5f}};
  ml3_error error = {0};
  ml3_nn_tensors *t = load_composed(
      "{\"w\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]},"
      "\"n\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[16,24]}}",
      &data, 24, &error);
  cr_assert_not_null(t, "%s", error.message);
  ml3_real w[2], n[2];
  cr_expect_eq(ml3_nn_tensors_get(t, "w", 2, w, NULL), ML3_OK);
  cr_expect_eq(ml3_nn_tensors_get(t, "n", 2, n, NULL), ML3_OK);
  cr_expect(w[0] == (ml3_real)0.1 && w[1] == -1000);
  cr_expect(n[0] == (ml3_real)0.1f && n[1] == (ml3_real)2.5);
  ml3_nn_tensors_free(t);
}

Test(tensor_file, reads_tensors_in_any_order_of_rank_zero_and_unaligned) {
  char data[12];
  const float f = 2.5f;
  const int64_t i = -9;
  memcpy(data, &f, 4);
  memcpy(data + 4, &i, 8);
  ml3_error error = {0};
  ml3_nn_tensors *t = load_composed(
      "{\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[4,12]},"
      " \"f\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}   ",
      data, 12, &error);
  cr_assert_not_null(t, "%s", error.message);
  ml3_real got = 0;
  int64_t whole = 0;
  cr_expect_eq(ml3_nn_tensors_get(t, "f", 1, &got, NULL), ML3_OK);
  cr_expect_eq(ml3_nn_tensors_get_ints(t, "i", 1, &whole, NULL), ML3_OK);
  cr_expect_eq(got, (ml3_real)2.5);
  cr_expect_eq(whole, -9);
  ml3_nn_tensors_free(t);
}

static void expect_words(const ml3_error *error, int code, const char *words) {
  cr_expect_eq(error->code, code, "code %d for %s", error->code, words);
  cr_expect(strstr(error->message, words) != NULL, "\"%s\" says: %s", error->message, words);
}

Test(tensor_file, asking_for_what_is_not_there_is_answered_with_a_sentence) {
  ml3_nn_tensors *t = example();
  ml3_real r[6];
  int64_t n[6];
  ml3_error e = {0};
  cr_expect(ml3_nn_tensors_get(t, "phi", 6, r, &e) < 0);
  expect_words(&e, ML3_ERR_FORMAT, "no tensor 'phi'");
  cr_expect(ml3_nn_tensors_get(t, "matrix", 5, r, &e) < 0);
  expect_words(&e, ML3_ERR_FORMAT, "6 entries where 5 are expected");
  cr_expect(ml3_nn_tensors_get(t, "counters", 3, r, &e) < 0);
  expect_words(&e, ML3_ERR_FORMAT, "whole numbers");
  cr_expect(ml3_nn_tensors_get_ints(t, "matrix", 6, n, &e) < 0);
  expect_words(&e, ML3_ERR_FORMAT, "whole numbers (I64) are expected");
  cr_expect(ml3_nn_tensors_get_ints(t, "counters", -1, n, &e) < 0);
  ml3_nn_tensors_free(t);
}

Test(tensor_file, what_a_file_cannot_hold_is_refused_with_a_sentence) {
  ml3_nn_tensors *t = ml3_nn_tensors_new();
  ml3_error e = {0};
  cr_expect(ml3_nn_tensors_put(t, "", 0, 1, matrix, &e) < 0);
  expect_words(&e, ML3_ERR_ARGUMENT, "cannot be named ''");
  cr_expect(ml3_nn_tensors_put(t, "__metadata__", 0, 1, matrix, &e) < 0);
  expect_words(&e, ML3_ERR_ARGUMENT, "cannot be named");
  cr_expect(ml3_nn_tensors_put(t, "\xff\xfe", 0, 1, matrix, &e) < 0);
  expect_words(&e, ML3_ERR_ARGUMENT, "UTF-8");
  cr_expect(ml3_nn_tensors_put(t, "w", -2, 3, matrix, &e) < 0);
  expect_words(&e, ML3_ERR_ARGUMENT, "shape -2 x 3");
  cr_expect(ml3_nn_tensors_put_ints(t, "n", -1, counters, &e) < 0);
  expect_words(&e, ML3_ERR_ARGUMENT, "-1 entries");
  cr_expect(ml3_nn_tensors_put_text(t, "key", "\x80", &e) < 0);
  expect_words(&e, ML3_ERR_ARGUMENT, "not UTF-8");
  cr_expect(ml3_nn_tensors_save(t, "/nonexistent-folder/x.safetensors", &e) < 0);
  expect_words(&e, ML3_ERR_IO, "/nonexistent-folder/x.safetensors");
  ml3_nn_tensors_free(t);
}

Test(tensor_file, a_missing_file_a_folder_and_an_empty_file_are_refused) {
  expect_refused("/nonexistent-folder/x.safetensors", ML3_ERR_IO, "No such file");
  expect_refused("/tmp", ML3_ERR_IO, "not a regular file");
  const char *path = scratch("nothing.safetensors");
  write_bytes(path, "", 0);
  expect_refused(path, ML3_ERR_FORMAT, "it has 0 bytes");
  clean(path);
}

Test(tensor_file, a_file_of_another_kind_is_refused) {
  const char *path = scratch("foreign.safetensors");
  write_bytes(path, "\x89PNG\r\n\x1a\n and so on, a picture", 30);
  expect_refused(path, ML3_ERR_FORMAT, "some other kind of file");
  write_bytes(path, "\1\0\0\0\0\0\0\0{", 9);
  expect_refused(path, ML3_ERR_FORMAT, "header would have 1 bytes");
  write_bytes(path, "\377\377\377\377\377\377\377\377{}", 10);
  expect_refused(path, ML3_ERR_FORMAT, "header would have 18446744073709551615 bytes");
  write_bytes(path, "\11\0\0\0\0\0\0\0{}      ", 16);
  expect_refused(path, ML3_ERR_FORMAT, "8 of 9 bytes; it is truncated");
  clean(path);
}

Test(tensor_file, a_truncated_file_is_refused_at_every_length) {
  const char *path = scratch("short.safetensors");
  ml3_nn_tensors *t = example();
  cr_assert_eq(ml3_nn_tensors_save(t, path, NULL), ML3_OK);
  ml3_nn_tensors_free(t);

  char bytes[4096];
  const size_t size = read_bytes(path, bytes, sizeof bytes);
  for (size_t length = 0; length < size; length++) {
    write_bytes(path, bytes, length);
    expect_refused(path, ML3_ERR_FORMAT, length < 8 ? "bytes" : "truncated");
  }
  bytes[size] = 0;
  write_bytes(path, bytes, size + 1);
  expect_refused(path, ML3_ERR_FORMAT, "its tensors end at");
  clean(path);
}

Test(tensor_file, headers_that_are_not_as_they_should_be_are_refused) {
  expect_header_refused("not json", "not JSON");
  expect_header_refused("[1, 2]", "not JSON");
  expect_header_refused(" {}", "not JSON");
  expect_header_refused("{\"w\": {", "not valid JSON");
  expect_header_refused("{} trailing", "not valid JSON");
  expect_header_refused("{\"\xff\xff\":1}", "not valid JSON");
  expect_header_refused("{\"w\":3}", "'w' is not an object");
  expect_header_refused("{\"__metadata__\":[]}", "__metadata__ is not an object");
  expect_header_refused("{\"__metadata__\":{\"steps\":3}}", "'steps'");
  expect_header_refused("{}", "it has 8 bytes of data, but its tensors end at 0");
  expect_header_refused("{\"w\\u001b[31m\":3}", "'w?[31m' is not an object");
}

#define ENTRY(name, dtype, shape, offsets) \
  "\"" name "\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"

Test(tensor_file, tensors_that_are_not_as_they_should_be_are_refused) {
  expect_header_refused("{" ENTRY("w", "\"F8_E4M3\"", "[8]", "[0,8]") "}", "dtype 'F8_E4M3'");
  expect_header_refused("{" ENTRY("w", "7", "[4]", "[0,8]") "}", "no dtype");
  expect_header_refused("{\"w\":{}}", "no dtype");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "2", "[0,8]") "}", "no shape");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[-2]", "[0,8]") "}", "dimension 0 of tensor 'w'");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[1,2.0]", "[0,8]") "}", "dimension 1 of tensor 'w'");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}",
                        "at most 8 dimensions");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[3]", "[0,8]") "}",
                        "8 bytes of data where its shape needs 12");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[2]", "[0]") "}", "two whole numbers");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[2]", "[0,\"8\"]") "}", "two whole numbers");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[2]", "[-8,0]") "}", "bytes -8 to 0 of 8");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[2]", "[8,0]") "}", "bytes 8 to 0 of 8");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[2]", "[4,12]") "}", "bytes 4 to 12 of 8");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[1]", "[4,8]") "}", "begins at byte 4, after");
  expect_header_refused(
      "{" ENTRY("w", "\"F32\"", "[2]", "[0,8]") "," ENTRY("x", "\"F32\"", "[1]", "[4,8]") "}",
      "'x' begins at byte 4, before");
  expect_header_refused(
      "{" ENTRY("w", "\"F32\"", "[1]", "[0,4]") "," ENTRY("w", "\"F32\"", "[1]", "[4,8]") "}",
      "duplicate object key");
}

Test(tensor_file, sizes_that_overflow_are_refused) {
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[9223372036854775807,3]", "[0,8]") "}",
                        "more entries than any file");
  expect_header_refused("{" ENTRY("w", "\"F64\"", "[4294967296,4294967296]", "[0,0]") "}",
                        "more entries than any file");
  expect_header_refused("{" ENTRY("w", "\"F64\"", "[2305843009213693953]", "[0,8]") "}",
                        "more entries than any file");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[99999999999999999999]", "[0,8]") "}", "not valid JSON");
  expect_header_refused("{" ENTRY("w", "\"F32\"", "[2]", "[0,9223372036854775807]") "}",
                        "of 8 bytes of data");
}

static void write_byte(const char *path, size_t at, char value) {
  FILE *out = fopen(path, "r+b");
  cr_assert_not_null(out);
  fseek(out, (long)at, SEEK_SET);
  fputc(value, out);
  fclose(out);
}

Test(tensor_file, no_single_damaged_byte_is_fatal) {
  const char *path = scratch("bits.safetensors");
  ml3_nn_tensors *t = example();
  cr_assert_eq(ml3_nn_tensors_save(t, path, NULL), ML3_OK);
  ml3_nn_tensors_free(t);

  char bytes[4096];
  const size_t size = read_bytes(path, bytes, sizeof bytes);
  const char values[] = {0, 1, -1, '"', '{', '}', '[', ',', '9', '-', '\\', 'e'};
  int refused = 0;
  for (size_t i = 0; i < size; i++)
    for (size_t v = 0; v < sizeof values; v++) {
      write_byte(path, i, values[v]);
      ml3_error error = {0};
      t = ml3_nn_tensors_load(path, &error);
      cr_expect(t || strstr(error.message, path), "byte %zu: a sentence names the file", i);
      refused += !t;
      ml3_nn_tensors_free(t);
      write_byte(path, i, bytes[i]);
    }
  cr_expect(refused > 500, "%d damaged files are noticed", refused);
  clean(path);
}

/* Python's own reader, where there is one; also in the other direction. */
Test(tensor_file, python_reads_and_writes_the_same_files) {
  if (system("python3 -c 'import numpy, safetensors.numpy' 2>/dev/null") != 0)
    cr_skip("python3 with numpy and safetensors is not installed here");

  char path[256], back[300], command[1024];
  snprintf(path, sizeof path, "%s", scratch("ours.safetensors"));
  snprintf(back, sizeof back, "%s.python", path);
  ml3_nn_tensors *t = example();
  cr_assert_eq(ml3_nn_tensors_save(t, path, NULL), ML3_OK);
  ml3_nn_tensors_free(t);

  snprintf(command, sizeof command, "python3 %s/safetensors_check.py '%s' '%s'", ML3_TEST_DATA, path, back);
  cr_expect_eq(system(command), 0, "safetensors_check.py is content");
  ml3_error error = {0};
  t = ml3_nn_tensors_load(back, &error);
  cr_assert_not_null(t, "%s", error.message);
  check_example(t);
  ml3_nn_tensors_free(t);
  remove(back);
  clean(path);
}
