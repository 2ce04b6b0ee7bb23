/* IDX files, the format of MNIST: two zeros, the type (8: unsigned byte), the number of dimensions, each dimension as a
   big-endian 32-bit number, then the bytes. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "metaloss/dataset.h"

void ml3_dataset_free(ml3_dataset *d) {
  if (!d) return;
  free(d->x);
  free(d->y);
  free(d->group);
  free(d);
}

typedef struct idx {
  const char *name; /* of the file */
  const unsigned char *values;
  uint32_t dims[3];
} idx;

static uint32_t big_endian(const unsigned char *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Checks the header and that as many values follow as it says. */
static int parse(idx *f, const char *name, const unsigned char *bytes, size_t size, uint32_t dims, ml3_error *error) {
  const uint32_t magic = 0x800 + dims;
  *f = (idx){.name = name, .values = bytes + 4 + 4 * dims, .dims = {1, 1, 1}};
  if (size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is compressed; unpack it first: gunzip '%s'", name, name);
  if (size < 4 || big_endian(bytes) != magic)
    return ml3_error_set(
        error, ML3_ERR_FORMAT,
        "'%s' is not an IDX file of %s: it begins with 0x%08x, expected 0x%08x (unsigned bytes, %u dimension%s)", name,
        dims == 1 ? "labels" : "images", size < 4 ? 0 : big_endian(bytes), magic, dims, dims == 1 ? "" : "s");
  if (size < 4 + 4 * (size_t)dims)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is cut off in its header: it has %zu bytes", name, size);
  double values = 1;
  for (uint32_t i = 0; i < dims; i++) values *= f->dims[i] = big_endian(bytes + 4 + 4 * i);
  if (values < 1)
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is empty: its header says %u x %u x %u", name, f->dims[0],
                         f->dims[1], f->dims[2]);
  if (values != (double)(size - 4 - 4 * (size_t)dims))
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' is %s: its header says %.0f values, %zu follow", name,
                         values > (double)size ? "cut off" : "damaged", values, size - 4 - 4 * (size_t)dims);
  return ML3_OK;
}

static int check_labels(const idx *images, const idx *labels, int classes, ml3_error *error) {
  if (images->dims[0] != labels->dims[0])
    return ml3_error_set(error, ML3_ERR_FORMAT, "'%s' has %u images, '%s' %u labels", images->name, images->dims[0],
                         labels->name, labels->dims[0]);
  for (uint32_t i = 0; i < labels->dims[0]; i++)
    if (labels->values[i] >= classes)
      return ml3_error_set(error, ML3_ERR_FORMAT, "'%s': label number %u is %d; 0 to %d are possible with %d classes",
                           labels->name, i + 1, labels->values[i], classes - 1, classes);
  return ML3_OK;
}

/* The mean of each block of pool x pool pixels, divided by `greatest`. */
static void fill_image(const idx *f, uint32_t image, int pool, double greatest, ml3_real *x) {
  const int rows = (int)f->dims[1], cols = (int)f->dims[2];
  const unsigned char *pixels = f->values + (size_t)image * (size_t)rows * (size_t)cols;
  for (int r = 0; r < rows / pool; r++)
    for (int c = 0; c < cols / pool; c++) {
      double sum = 0;
      for (int i = 0; i < pool * pool; i++) sum += pixels[(r * pool + i / pool) * cols + c * pool + i % pool];
      *x++ = (ml3_real)(sum / (pool * pool * greatest));
    }
}

static ml3_dataset *to_dataset(const idx *images, const idx *labels, int classes, int pool, ml3_error *error) {
  if (pool < 1 || (uint32_t)pool > images->dims[1] || (uint32_t)pool > images->dims[2]) {
    ml3_error_set(error, ML3_ERR_ARGUMENT, "'%s': blocks of %d pixels do not fit images of %u x %u", images->name, pool,
                  images->dims[1], images->dims[2]);
    return NULL;
  }
  const uint32_t rows = images->dims[0];
  const size_t inputs = (size_t)(images->dims[1] / (uint32_t)pool) * (images->dims[2] / (uint32_t)pool);
  const size_t pixels = (size_t)rows * images->dims[1] * images->dims[2];
  int greatest = 1;
  for (size_t i = 0; i < pixels; i++)
    if (images->values[i] > greatest) greatest = images->values[i];

  ml3_dataset *d = calloc(1, sizeof *d);
  if (d) *d = (ml3_dataset){.rows = (int)rows, .inputs = (int)inputs, .outputs = 1, .classes = classes};
  if (d) d->x = malloc(rows * inputs * sizeof *d->x);
  if (d) d->y = malloc(rows * sizeof *d->y);
  if (!d || !d->x || !d->y) {
    ml3_dataset_free(d);
    ml3_error_set(error, ML3_ERR_MEMORY, "no memory for the %u images of '%s'", rows, images->name);
    return NULL;
  }
  for (uint32_t i = 0; i < rows; i++) {
    fill_image(images, i, pool, greatest, d->x + i * inputs);
    d->y[i] = labels->values[i];
  }
  return d;
}

ml3_dataset *ml3_idx_read(const char *images, const char *labels, int classes, int pool, ml3_error *error) {
  size_t image_bytes, label_bytes;
  unsigned char *of_images = (unsigned char *)ml3_file_read(images, (size_t)1 << 31, &image_bytes, error);
  unsigned char *of_labels =
      of_images ? (unsigned char *)ml3_file_read(labels, (size_t)1 << 31, &label_bytes, error) : NULL;
  ml3_dataset *d = NULL;
  idx i, l;
  if (of_labels && parse(&i, images, of_images, image_bytes, 3, error) == ML3_OK &&
      parse(&l, labels, of_labels, label_bytes, 1, error) == ML3_OK && check_labels(&i, &l, classes, error) == ML3_OK)
    d = to_dataset(&i, &l, classes, pool, error);
  free(of_images);
  free(of_labels);
  return d;
}

/* ---- the digits that come with the library ------------------------------------------------------------------- */

extern const char ml3_digits_images_idx[], ml3_digits_labels_idx[]; /* data/digits-*.idx, put in by the build */
extern const unsigned long ml3_digits_images_idx_size, ml3_digits_labels_idx_size;

ml3_dataset *ml3_digits(ml3_error *error) {
  idx i, l;
  if (parse(&i, "digits-images.idx", (const unsigned char *)ml3_digits_images_idx, ml3_digits_images_idx_size, 3,
            error) != ML3_OK ||
      parse(&l, "digits-labels.idx", (const unsigned char *)ml3_digits_labels_idx, ml3_digits_labels_idx_size, 1,
            error) != ML3_OK ||
      check_labels(&i, &l, 10, error) != ML3_OK)
    return NULL;
  return to_dataset(&i, &l, 10, 1, error);
}
