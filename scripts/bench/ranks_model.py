"""Time of an outer step on up to 1,024 ranks, from constants that scripts/bench/ranks has measured; docs/scale.md says how.

    python3 scripts/bench/ranks_model.py --unit MS --parameters P --between NAME LATENCY_US BANDWIDTH_MB_S [--between ...]
        [--tasks N (4096)] [--plot docs/scale.png]

    t(R) = ceil(U / R) unit                       the rank with most units works
         + 2 d (latency + 4 P / bandwidth)        gradients up the tree of sums, their sum down again
         + d latency + 24 N / bandwidth           what became of each task, gathered
         + d (latency + 24 N / bandwidth)         and told to all
         + d latency                              whether to go on
    with d = ceil(log2 R), N tasks in U = N / 4 units.
"""
import argparse
import math
import subprocess

parser = argparse.ArgumentParser()
parser.add_argument("--unit", type=float, required=True, help="ms of a unit of four tasks on one core")
parser.add_argument("--parameters", type=int, required=True, help="of the learned loss")
parser.add_argument("--between", nargs=3, action="append", required=True)
parser.add_argument("--tasks", type=int, default=4096)
parser.add_argument("--plot")
options = parser.parse_args()


def messages_ms(ranks, tasks, latency_us, bandwidth):
    depth = math.ceil(math.log2(ranks)) if ranks > 1 else 0
    told, gradient = 24 * tasks / bandwidth, 4 * options.parameters / bandwidth  # us
    if depth == 0:
        return 0.0
    return 1e-3 * (2 * depth * (latency_us + gradient) + depth * latency_us + told + depth * (latency_us + told)
                   + depth * latency_us)


def step_ms(ranks, tasks, latency_us, bandwidth):
    return math.ceil(tasks / 4 / ranks) * options.unit + messages_ms(ranks, tasks, latency_us, bandwidth)


counts = [1 << i for i in range(11)]
networks = [(name, float(latency), float(bandwidth)) for name, latency, bandwidth in options.between]
print("| ranks | " + " | ".join(f"{name}: messages, ms | step, ms | of ideal | 4 tasks a rank: of ideal" for name, _, _ in networks) + " |")
print("|---:|" + "---:|---:|---:|---:|" * len(networks))
lines = []
for ranks in counts:
    row, numbers = [], []
    for _, latency, bandwidth in networks:
        step = step_ms(ranks, options.tasks, latency, bandwidth)
        strong = step_ms(1, options.tasks, latency, bandwidth) / ranks / step
        weak = options.unit / step_ms(ranks, 4 * ranks, latency, bandwidth)
        row += [f"{messages_ms(ranks, options.tasks, latency, bandwidth):.3g}", f"{step:.4g}", f"{100 * strong:.0f} %", f"{100 * weak:.0f} %"]
        numbers += [strong, weak]
    print(f"| {ranks} | " + " | ".join(row) + " |")
    lines.append(" ".join(map(str, [ranks] + numbers)))

if options.plot:
    curves = []
    for i, (name, _, _) in enumerate(networks):
        for j, kind in enumerate((f"{options.tasks} tasks", "4 tasks a rank")):
            curves.append(f"$data using 1:{2 + 2 * i + j} with linespoints linewidth 2 title '{kind}, {name}'")
    script = f"""set terminal pngcairo size 900,520 font 'sans,13'
set output '{options.plot}'
set logscale x 2
set xlabel 'ranks'
set ylabel 'share of the ideal speed'
set yrange [0:1.05]
set key bottom left
set grid
$data << END
{chr(10).join(lines)}
END
plot {", ".join(curves)}
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
