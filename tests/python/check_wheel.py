"""An installed wheel, beside PyPI's MuJoCo in the same process: it is small, needs nothing of the machine, and has the bits of the command.

  check_wheel.py WHEEL COMMAND
"""
import filecmp, os, pathlib, subprocess, sys, tempfile, zipfile

import mujoco  # first: its library is not ml3's

wheel, command = sys.argv[1:]
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><body><freejoint/><geom size='.1'/></body></worldbody></mujoco>")
data = mujoco.MjData(model)

import gymnasium
import numpy as np

import ml3

library = pathlib.Path(ml3.library.lib._name)
assert library.parent == pathlib.Path(ml3.__file__).parent / "lib", library
assert os.path.getsize(wheel) < 30e6, os.path.getsize(wheel)
names = zipfile.ZipFile(wheel).namelist()
assert "ml3/py.typed" in names and not [n for n in names if "__pycache__" in n], names

maps = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
mine = [path for path in maps if pathlib.Path(path).name.startswith(("libml3", "libmujoco", "libgomp", "libopenblas", "libhdf5"))]
assert len([path for path in mine if "libmujoco" in path]) in (1, 2), mine
needed = subprocess.run(["readelf", "-d", library], check=True, capture_output=True, text=True).stdout
assert not [n for n in ("curl", "crypto", "hdf5", "openblas", "yaml", "glfw", "EGL", "X11") if n in needed], needed

env = gymnasium.make("ml3/Reacher-v0")
env.reset(seed=0)
for _ in range(50):
    mujoco.mj_step(model, data)
    obs = env.step(env.action_space.sample())[0]
assert np.isfinite(obs).all() and data.qpos[2] < 0

sets = {"outer": {"steps": 3, "tasks": 2}, "validation": {"tasks": 2, "every": 3}}
with tempfile.TemporaryDirectory() as folder:
    run = ml3.train("mountain_car", set=sets, output=f"{folder}/python", log="none")
    settings = [part for s in ml3.session.settings_of(sets) for part in ("--set", s)]
    subprocess.run([command, "train", "mountain_car", "-o", f"{folder}/command", "--log", "none", "--quiet", *settings], check=True, capture_output=True)
    for name in ("loss.safetensors", "metrics.csv", "config.yaml"):
        assert filecmp.cmp(run.path / name, f"{folder}/command/{name}", shallow=False), name
assert ml3.Learner("zoo:mountain_car").learn(1).predict([0.0, 0.0]).shape == (1,)
print(f"ok wheel: {os.path.getsize(wheel) / 1e6:.1f} MB, beside MuJoCo {mujoco.__version__}, the bits of the command")
