/* Optimizers against PyTorch 2 (torch.optim, float64), whose results are recorded here: 19 parameters cos(0.9 k),
   gradients (1 + t mod 3) sin(0.7 k + 1.3 t + 0.2) at update t. */
#include "nn/optimizer.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { SIZE = 19 };

#ifdef ML3_DOUBLE
static const double tolerance = 1e-12;
#else
static const double tolerance = 1e-5;
#endif

static void start(ml3_real *p) {
  for (int k = 0; k < SIZE; k++) p[k] = (ml3_real)cos(0.9 * k);
}

static void gradient_at(int t, ml3_real *g) {
  for (int k = 0; k < SIZE; k++) g[k] = (ml3_real)((1 + t % 3) * sin(0.7 * k + 1.3 * t + 0.2));
}

static void take_updates(ml3_nn_optimizer *o, ml3_real *p, int first, int count) {
  ml3_real g[SIZE];
  for (int t = first; t < first + count; t++) {
    gradient_at(t, g);
    ml3_nn_optimizer_update(o, p, g);
  }
}

static void check_against_torch(const ml3_nn_optimizer_settings *s, int updates, const double *expected) {
  ml3_nn_optimizer o;
  ml3_error error = {0};
  cr_assert_eq(ml3_nn_optimizer_init(&o, s, SIZE, &error), ML3_OK, "%s", error.message);

  ml3_real p[SIZE];
  start(p);
  take_updates(&o, p, 0, updates);
  for (int k = 0; k < SIZE; k++)
    cr_expect(fabs((double)p[k] - expected[k]) <= tolerance, "entry %d is %.17g, PyTorch has %.17g", k,
              (double)p[k], expected[k]);
  cr_expect_eq(o.step, updates);
  ml3_nn_optimizer_free(&o);
}

Test(optimizer, sgd_steps_like_pytorch) {
  static const double expected[SIZE] = {
      1.0049414426646825,   0.6501051177671161,   -0.18855495242204046, -0.87344936185974875,
      -0.88856237029269169, -0.22888121602523032, 0.59883185072907785,  0.96308800305266407,
      0.58796487649675577,  -0.23795833612106118, -0.88219928592473329, -0.85052170837313468,
      -0.16410883776938145, 0.65515559095332931,  0.98077678694094772,  0.55882086808926534,
      -0.29638085032783096, -0.9377615908196123,  -0.87514387706021635};
  const ml3_nn_optimizer_settings s = {.kind = ML3_NN_SGD, .rate = 0.05};
  check_against_torch(&s, 10, expected);
}

Test(optimizer, momentum_steps_like_pytorch) {
  static const double expected[SIZE] = {
      0.86442002269315277,   0.53992914688865068,   -0.21656799355626524, -0.80612450228846555,
      -0.75756354345222399,  -0.095819217091783412, 0.67137588450601815,  0.94099547905600678,
      0.48162625396733816,   -0.37853034142084208,  -0.99089146340421796, -0.87621442860159982,
      -0.094718412963552115, 0.78699375975197527,   1.1130571489181942,   0.6293299020695412,
      -0.32080464475949605,  -1.0456313215096915,   -1.0157267241541288};
  const ml3_nn_optimizer_settings s = {.kind = ML3_NN_MOMENTUM, .rate = 0.02, .beta1 = 0.8};
  check_against_torch(&s, 10, expected);
}

Test(optimizer, adam_steps_like_pytorch) {
  static const double expected[SIZE] = {
      0.95719459979864918,  0.59004735554734977,  -0.24191997184806044, -0.89697819937435019,
      -0.87616435659172442, -0.17128446342574782, 0.6573585742577146,   1.0038340935540342,
      0.5930154655489519,   -0.28634062664459647, -0.94225798229108748, -0.90348751197069055,
      -0.18677005039000832, 0.66838504637949325,  1.0386347656866255,   0.61719560374515092,
      -0.25642268671075169, -0.93357928025215675, -0.92414659761496243};
  const ml3_nn_optimizer_settings s = ml3_nn_adam(0.01);
  check_against_torch(&s, 25, expected);
}

Test(optimizer, adamw_steps_like_pytorch) {
  static const double expected[SIZE] = {
      0.88535134439043062,  0.54321544232883423,  -0.24232562840754784, -0.85392581268588508,
      -0.82846620032872687, -0.14021210421427083, 0.63989220924960888,  0.96159387893408921,
      0.56136115131890596,  -0.29746116297313274, -0.91407440880428137, -0.87143683834693064,
      -0.17817043192244955, 0.64077532262233294,  1.0104305829533939,   0.60157617348023462,
      -0.23747844995748268, -0.89082972621931078, -0.90410607022497702};
  const ml3_nn_optimizer_settings s = {
      .kind = ML3_NN_ADAMW, .rate = 0.02, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.1};
  check_against_torch(&s, 25, expected);
}

/* clip_grad_norm_(1.5), CosineAnnealingLR(T_max = 20, eta_min = 0.001) */
Test(optimizer, clips_and_anneals_by_cosine_like_pytorch) {
  static const double expected[SIZE] = {
      0.88401925033593254,  0.49189825424986039,   -0.30963932716520309, -0.90046337439156365,
      -0.80880090841385621, -0.079857341564582324, 0.74702988105042467,  1.04076033991648,
      0.55858100621224549,  -0.36057872022345355,  -1.0403859012052992,  -0.96987691793137787,
      -0.18849802157346657, 0.73720304713797336,   1.1306726824438156,   0.70606682106738194,
      -0.22103691234155534, -0.96975509914162872,  -0.99942778481432348};
  const ml3_nn_optimizer_settings s = {.kind = ML3_NN_MOMENTUM,
                                       .rate = 0.05,
                                       .beta1 = 0.9,
                                       .clip_norm = 1.5,
                                       .schedule = ML3_NN_COSINE,
                                       .final_rate = 0.001,
                                       .total_steps = 20};
  check_against_torch(&s, 20, expected);
}

static ml3_nn_optimizer_settings warm_linear_adam(void) {
  ml3_nn_optimizer_settings s = ml3_nn_adam(0.02);
  s.clip_norm = 0.5;
  s.schedule = ML3_NN_LINEAR;
  s.final_rate = 0.002;
  s.warmup_steps = 4;
  s.total_steps = 20;
  return s;
}

/* clip_grad_norm_(0.5), LinearLR up for 4 updates, then LinearLR down for 16, constant afterwards */
Test(optimizer, warms_up_and_falls_linearly_like_pytorch) {
  static const double expected[SIZE] = {
      0.96008086337083465,  0.5866952437586862,   -0.24666895707420447, -0.90151924615886958,
      -0.87188310621087695, -0.17135413987433498, 0.66249574325974958,  1.0088818949071636,
      0.59319755576969391,  -0.28356896892730804, -0.94575490204505197, -0.90820867170540931,
      -0.19117864800190373, 0.67284334946307744,  1.0387287973164372,   0.62234746663044116,
      -0.25132967093810044, -0.93364054823980902, -0.92148948813726672};
  const ml3_nn_optimizer_settings s = warm_linear_adam();
  check_against_torch(&s, 24, expected);
}

Test(optimizer, rates_follow_pytorchs_schedulers) {
  static const double linear[24] = {0.0050000000000000001,
                                    0.01,
                                    0.014999999999999999,
                                    0.019999999999999997,
                                    0.02,
                                    0.018874999999999999,
                                    0.017749999999999998,
                                    0.016624999999999997,
                                    0.015499999999999996,
                                    0.014374999999999995,
                                    0.013249999999999996,
                                    0.012124999999999997,
                                    0.010999999999999998,
                                    0.0098749999999999984,
                                    0.0087499999999999991,
                                    0.007624999999999999,
                                    0.0064999999999999988,
                                    0.0053749999999999987,
                                    0.0042499999999999986,
                                    0.0031249999999999993,
                                    0.0019999999999999996,
                                    0.0019999999999999996,
                                    0.0019999999999999996,
                                    0.0019999999999999996};
  static const double cosine[11] = {0.02,
                                    0.019559508646656384,
                                    0.018281152949374525,
                                    0.016290067270632258,
                                    0.013781152949374527,
                                    0.010999999999999999,
                                    0.0082188470506254739,
                                    0.0057099327293677424,
                                    0.0037188470506254738,
                                    0.0024404913533436182,
                                    0.002};
  const ml3_nn_optimizer_settings warm = warm_linear_adam();
  const ml3_nn_optimizer_settings anneal = {
      .kind = ML3_NN_SGD, .rate = 0.02, .schedule = ML3_NN_COSINE, .final_rate = 0.002, .total_steps = 10};

  for (int t = 0; t < 24; t++)
    cr_expect(fabs(ml3_nn_optimizer_rate(&warm, t) - linear[t]) < 1e-15, "linear, update %d", t);
  for (int t = 0; t < 11; t++)
    cr_expect(fabs(ml3_nn_optimizer_rate(&anneal, t) - cosine[t]) < 1e-15, "cosine, update %d", t);
  cr_expect_eq(ml3_nn_optimizer_rate(&anneal, 1000000), 0.002);
}

Test(optimizer, a_constant_rate_can_warm_up) {
  const ml3_nn_optimizer_settings s = {.kind = ML3_NN_SGD, .rate = 0.4, .warmup_steps = 4};
  cr_expect_eq(ml3_nn_optimizer_rate(&s, 0), 0.1);
  cr_expect_eq(ml3_nn_optimizer_rate(&s, 3), 0.4);
  cr_expect_eq(ml3_nn_optimizer_rate(&s, 4), 0.4);
  cr_expect_eq(ml3_nn_optimizer_rate(&s, INT64_MAX), 0.4);
}

Test(optimizer, returns_the_norm_before_clipping_and_keeps_the_gradient) {
  ml3_nn_optimizer_settings s = {.kind = ML3_NN_SGD, .rate = 1, .clip_norm = 1};
  ml3_nn_optimizer o;
  cr_assert_eq(ml3_nn_optimizer_init(&o, &s, 2, NULL), ML3_OK);

  ml3_real p[2] = {0, 0};
  const ml3_real g[2] = {3, -4};
  cr_expect_eq(ml3_nn_optimizer_update(&o, p, g), 5);
  cr_expect(fabs((double)p[0] + 0.6) < 1e-6 && fabs((double)p[1] - 0.8) < 1e-6, "clipped to length 1");
  cr_expect(g[0] == 3 && g[1] == -4);
  ml3_nn_optimizer_free(&o);
}

Test(optimizer, resumed_from_a_copy_of_its_state_gives_the_same_bits) {
  const ml3_nn_optimizer_settings s = warm_linear_adam();
  ml3_nn_optimizer whole, first, second;
  cr_assert_eq(ml3_nn_optimizer_init(&whole, &s, SIZE, NULL), ML3_OK);
  cr_assert_eq(ml3_nn_optimizer_init(&first, &s, SIZE, NULL), ML3_OK);
  cr_assert_eq(ml3_nn_optimizer_init(&second, &s, SIZE, NULL), ML3_OK);

  ml3_real p[SIZE], q[SIZE];
  start(p);
  start(q);
  take_updates(&whole, p, 0, 23);

  take_updates(&first, q, 0, 9);
  second.step = first.step;
  memcpy(second.m, first.m, SIZE * sizeof *first.m);
  memcpy(second.v, first.v, SIZE * sizeof *first.v);
  ml3_nn_optimizer_free(&first);
  take_updates(&second, q, 9, 14);

  cr_expect_eq(memcmp(p, q, sizeof p), 0);
  cr_expect_eq(memcmp(whole.m, second.m, sizeof p), 0);
  cr_expect_eq(memcmp(whole.v, second.v, sizeof p), 0);
  cr_expect_eq(whole.step, second.step);
  ml3_nn_optimizer_free(&whole);
  ml3_nn_optimizer_free(&second);
}

Test(optimizer, a_gradient_that_is_not_finite_changes_nothing) {
  const ml3_nn_optimizer_kind kinds[] = {ML3_NN_SGD, ML3_NN_MOMENTUM, ML3_NN_ADAM, ML3_NN_ADAMW};
  const double bad[] = {NAN, INFINITY, -INFINITY};

  for (int i = 0; i < 12; i++) {
    ml3_nn_optimizer_settings s = ml3_nn_adam(0.1);
    s.kind = kinds[i / 3];
    s.clip_norm = 1;
    ml3_nn_optimizer o;
    cr_assert_eq(ml3_nn_optimizer_init(&o, &s, SIZE, NULL), ML3_OK);

    ml3_real p[SIZE], g[SIZE], p_before[SIZE], m_before[SIZE], v_before[SIZE];
    start(p);
    take_updates(&o, p, 0, 3);
    memcpy(p_before, p, sizeof p);
    memcpy(m_before, o.m, sizeof p);
    memcpy(v_before, o.v, sizeof p);

    gradient_at(3, g);
    g[SIZE - 1 - i] = (ml3_real)bad[i % 3];
    cr_expect(!isfinite(ml3_nn_optimizer_update(&o, p, g)), "the norm tells");
    cr_expect_eq(memcmp(p, p_before, sizeof p), 0);
    cr_expect_eq(memcmp(o.m, m_before, sizeof p), 0);
    cr_expect_eq(memcmp(o.v, v_before, sizeof p), 0);
    cr_expect_eq(o.step, 3);
    ml3_nn_optimizer_free(&o);
  }
}

Test(optimizer, an_entry_without_any_gradient_stays_where_it_is) {
  const ml3_nn_optimizer_settings s = ml3_nn_adam(0.1);
  ml3_nn_optimizer o;
  cr_assert_eq(ml3_nn_optimizer_init(&o, &s, 2, NULL), ML3_OK);
  ml3_real p[2] = {1, 2};
  const ml3_real g[2] = {0, 1};
  ml3_nn_optimizer_update(&o, p, g);
  cr_expect_eq(p[0], 1);
  cr_expect(fabs((double)p[1] - 1.9) < 1e-6);
  ml3_nn_optimizer_free(&o);
}

static void expect_refused(const ml3_nn_optimizer_settings *s, size_t size, const char *word) {
  ml3_nn_optimizer o;
  ml3_error error = {0};
  cr_expect_eq(ml3_nn_optimizer_init(&o, s, size, &error), ML3_ERR_ARGUMENT, "%s is refused", word);
  cr_expect(strstr(error.message, word), "\"%s\" speaks of %s", error.message, word);
  cr_expect(!o.m && !o.v);
}

Test(optimizer, settings_that_make_no_sense_are_refused_with_a_sentence) {
  const ml3_nn_optimizer_settings good = ml3_nn_adam(0.1);
  ml3_nn_optimizer_settings s;

  s = good, s.kind = (ml3_nn_optimizer_kind)9, expect_refused(&s, 3, "no optimizer number 9");
  s = good, s.schedule = (ml3_nn_schedule)7, expect_refused(&s, 3, "no schedule number 7");
  s = good, s.rate = 0, expect_refused(&s, 3, "rate is 0");
  s = good, s.rate = NAN, expect_refused(&s, 3, "rate is");
  s = good, s.rate = INFINITY, expect_refused(&s, 3, "rate is inf");
  s = good, s.beta1 = 1, expect_refused(&s, 3, "beta1");
  s = good, s.beta1 = -0.1, expect_refused(&s, 3, "beta1");
  s = good, s.beta2 = 1.5, expect_refused(&s, 3, "beta2");
  s = good, s.epsilon = 0, expect_refused(&s, 3, "epsilon");
  s = good, s.clip_norm = -1, expect_refused(&s, 3, "clip norm");
  s = good, s.weight_decay = -1, expect_refused(&s, 3, "weight decay");
  s = good, s.weight_decay = 0.1, expect_refused(&s, 3, "only AdamW");
  s = good, s.warmup_steps = -1, expect_refused(&s, 3, "warm-up");
  s = good, s.schedule = ML3_NN_COSINE, expect_refused(&s, 3, "schedule has 0 steps");
  s = good, s.schedule = ML3_NN_LINEAR, s.total_steps = 5, s.warmup_steps = 5;
  expect_refused(&s, 3, "schedule has 5 steps");
  s = good, s.schedule = ML3_NN_LINEAR, s.total_steps = 5, s.final_rate = -1;
  expect_refused(&s, 3, "final rate");
  expect_refused(&good, 0, "at least one parameter");
}
