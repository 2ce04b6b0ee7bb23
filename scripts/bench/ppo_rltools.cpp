// PPO of RLtools on its Pendulum, with the settings of its own example (src/rl/environments/pendulum/ppo/cpu/config.h): 300,000
// steps by 4 environments of 1024 steps, 2 epochs, minibatches of 256, 64-64 networks. scripts/bench/ppo_rltools builds it against
// a checkout.
//     ppo_rltools SEED      a line of JSON: mean return of the mean action on 100 episodes, processor seconds of the training
#define BENCHMARK // its example's: no evaluation while it trains
#include <rl_tools/operations/cpu_mux.h>
#include <rl_tools/rl/environments/pendulum/operations_generic.h>
#include <rl_tools/rl/environment_wrappers/scale_observations/operations_generic.h>
#include <rl_tools/nn/optimizers/adam/instance/operations_generic.h>
#include <rl_tools/nn/operations_cpu_mux.h>
#include <rl_tools/nn/layers/standardize/operations_generic.h>
#include <rl_tools/nn_models/mlp_unconditional_stddev/operations_generic.h>
#include <rl_tools/nn_models/sequential/operations_generic.h>
#include <rl_tools/nn/optimizers/adam/operations_generic.h>
#include <rl_tools/rl/algorithms/ppo/loop/core/config.h>
#include <rl_tools/rl/loop/steps/evaluation/config.h>
#include <rl_tools/rl/loop/steps/timing/config.h>
#include <rl_tools/rl/algorithms/ppo/loop/core/operations_generic.h>
#include <rl_tools/rl/loop/steps/evaluation/operations_generic.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <utility>

namespace rlt = rl_tools;
#include <config.h>

using Device = rlt::devices::DEVICE_FACTORY<>;
using Index = Device::index_t;
using Types = rlt::numeric_types::Policy<float>;
using Settings = CONFIG_FACTORY<Device, Types, true>;
using Loop = Settings::LOOP_CORE_CONFIG;
using State = Loop::State<Loop>;
using Actor = rlt::utils::typing::remove_reference_t<decltype(rlt::get_actor(std::declval<State>()))>;
using Judged =
    rlt::rl::utils::evaluation::Specification<Types, Index, Settings::ENVIRONMENT, 100, Settings::ENVIRONMENT::EPISODE_STEP_LIMIT>;
using Buffer =
    rlt::rl::utils::evaluation::PolicyBuffer<rlt::rl::utils::evaluation::PolicyBufferSpecification<Judged, Actor, true>>;

int main(int argc, char **argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: ppo_rltools SEED\n"), 2;
  Device device;
  State state;
  Buffer buffer;
  rlt::malloc(device, state);
  rlt::malloc(device, buffer);
  rlt::init(device, state, (Index)std::atol(argv[1]));
  const std::clock_t begun = std::clock();
  while (!rlt::step(device, state)) {}
  const double seconds = (double)(std::clock() - begun) / CLOCKS_PER_SEC;
  rlt::rl::utils::evaluation::Result<Judged> result;
  auto actor = rlt::get_actor(state);
  rlt::evaluate(device, rlt::get_ref(device, state.envs, 0), state.ui, actor, buffer, result, state.rng,
                rlt::Mode<rlt::mode::Evaluation<>>{});
  std::printf("{\"return\": %.2f, \"seconds\": %.4f}\n", (double)result.returns_mean, seconds);
}
