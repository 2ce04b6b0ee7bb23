"""A process that steps Gymnasium environments for ml3, over shared memory.

ml3 starts it as `python3 -c THIS-FILE MEMORY PIPE ID KWARGS` (or -m ml3.worker): two file descriptors, an environment's id and
the keyword arguments of gymnasium.make as JSON. It needs gymnasium and NumPy, and nothing else of ml3. The layout of the memory is
that of envs/worker.c: a header with a ring of commands, then a slot for each environment. Who waits sleeps in a futex.
"""

import ctypes
import faulthandler
import json
import mmap
import os
import platform
import signal
import struct
import sys
import threading
import traceback

HEADER = 65536
RING, TEXT, TEXT_SIZE = 64, 64 + 4 * 4096, 32768
VERSION, READY, BELL, SLOT_SIZE, CAPACITY, OBS, GOAL, ACTION = range(8)  # numbers of the header
COMMAND, DONE, STATUS, TERMINATED, TRUNCATED, SUCCESS, SEED, PICTURE = range(8)  # 32-bit numbers of a slot
REWARD, DISTANCE = 4, 5  # its 64-bit numbers
ERROR, ERROR_SIZE, NUMBERS = 48, 512, 560
RESET, STEP, DESTROY, DRAW = 2, 3, 4, 5
PICTURE_FILE = 5  # a file descriptor
FUTEX_WAIT, FUTEX_WAKE = 0, 1
HERE = ("<string>", globals().get("__file__"))
FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "ppc64le": 221, "s390x": 238}[platform.machine()]


def last_line(error):
    """The last line of a traceback, and where it was raised, if that is not here."""
    text = traceback.format_exception_only(type(error), error)[-1].strip().replace("\n", " ")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename not in HERE]
    return f"{text} ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else text


def watch(pipe):
    """The end of ml3 is the end of this process, whatever it is doing."""
    os.read(pipe, 1)
    os._exit(0)


class Spaces:
    """How observations and actions become numbers, and what ml3 is told of them."""

    def __init__(self, env):
        from gymnasium import spaces

        self.flatten = spaces.flatten
        self.observation, self.action = env.observation_space, env.action_space
        self.is_box = isinstance(self.observation, spaces.Box)
        if not self.observation.is_np_flattenable:
            raise TypeError(f"observations of {type(self.observation).__name__} cannot be flattened to numbers")
        self.flat = self.observation if self.is_box else spaces.flatten_space(self.observation)
        self.shape, self.size = self.flat.shape, int(self.flat.low.size)
        self.discrete = isinstance(self.action, spaces.Discrete)
        if not self.discrete and not isinstance(self.action, spaces.Box):
            raise TypeError(f"actions of {type(self.action).__name__} are not possible; Box and Discrete are")
        if not self.discrete and self.action.dtype.kind != "f":
            raise TypeError(f"a Box of {self.action.dtype} actions is not possible; one of floats is")

    def names(self):
        from gymnasium import spaces

        if not isinstance(self.observation, spaces.Dict):
            return [f"obs_{i}" for i in range(self.size)]
        names = []
        for key, space in self.observation.spaces.items():
            n = spaces.flatdim(space)
            names += [f"{key}_{i}" if n > 1 else key for i in range(n)]
        return names

    def describe(self, env, has_success):
        def fields(box, names):
            low, high = box.low.ravel().tolist(), box.high.ravel().tolist()
            finite = lambda x: x if abs(x) < 1e30 else None  # noqa: E731
            return [{"name": n, "low": finite(a), "high": finite(b)} for n, a, b in zip(names, low, high)]

        spec, metadata = env.spec, env.metadata or {}
        dt = getattr(env.unwrapped, "dt", None)
        if not isinstance(dt, (int, float)) or not 0 < dt < 1e6:
            fps = metadata.get("render_fps") or 0
            dt = 1.0 / fps if fps > 0 else 1.0
        action = [] if self.discrete else fields(self.action, [f"action_{i}" for i in range(self.action.low.size)])
        return {
            "observation": fields(self.flat, self.names()),
            "action": action,
            "choices": int(self.action.n) if self.discrete else 0,
            "horizon": spec.max_episode_steps if spec and spec.max_episode_steps else 0,
            "dt": float(dt),
            "success": has_success,
        }


class Worker:
    def __init__(self, memory, pipe, name, kwargs):
        self.file, self.name, self.kwargs = memory, name, kwargs
        self.header = mmap.mmap(memory, HEADER)
        self.numbers = memoryview(self.header).cast("I")
        self.syscall = ctypes.CDLL(None, use_errno=False).syscall
        self.syscall.restype = ctypes.c_long
        self.syscall.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p]
        self.bell = ctypes.addressof(ctypes.c_char.from_buffer(self.header)) + 4 * BELL
        self.slots, self.spare, self.memory = {}, None, None
        threading.Thread(target=watch, args=(pipe,), daemon=True).start()

    def make(self, **more):
        import gymnasium

        return gymnasium.make(self.name, disable_env_checker=True, **{**self.kwargs, **more})

    def introduce(self):
        """Makes the first environment and writes down what it is."""
        answer, status = {}, 1
        try:
            import numpy

            self.np = numpy
            env = self.make()
            self.spaces = Spaces(env)
            _, info = env.reset(seed=0)
            env.action_space.seed(0)
            _, _, _, _, more = env.step(env.action_space.sample())
            has_success = any(k in i for k in ("success", "is_success") for i in (info, more))
            answer, self.spare = self.spaces.describe(env, has_success), env
        except ImportError as error:
            answer, status = {"error": last_line(error), "missing": error.name or ""}, 2
        except BaseException as error:
            answer, status = {"error": last_line(error)}, 2
        text = json.dumps(answer).encode()
        if len(text) >= TEXT_SIZE:  # names are left out of what is long
            for field in answer.get("observation", []):
                field.clear()
            text = json.dumps(answer, separators=(",", ":")).encode()
        if len(text) >= TEXT_SIZE and "observation" in answer:
            answer["observation"] = len(answer["observation"])
            text = json.dumps(answer).encode()
        self.header[TEXT : TEXT + len(text) + 1] = text + b"\0"
        self.numbers[READY] = status
        self.wake(self.bell + 4 * (READY - BELL))
        return status == 1

    def wake(self, address):
        self.syscall(FUTEX, address, FUTEX_WAKE, 1, None)

    def map(self):
        n = self.numbers
        self.memory = mmap.mmap(self.file, HEADER + n[SLOT_SIZE] * n[CAPACITY])
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    def open_slot(self, i):
        """A slot's numbers, as views, and the environment that is in it."""
        at, size = HEADER + i * self.numbers[SLOT_SIZE], self.numbers[SLOT_SIZE]
        all_bytes = memoryview(self.memory)[at : at + size]
        np, obs, goal, action = self.np, self.numbers[OBS], self.numbers[GOAL], self.numbers[ACTION]
        numbers = np.frombuffer(all_bytes[NUMBERS : NUMBERS + 8 * (obs + goal + action)], dtype=np.float64)
        slot = Slot()
        slot.ints, slot.reals = all_bytes.cast("I"), all_bytes.cast("d")
        slot.obs, slot.action = numbers[:obs], numbers[obs + goal :]
        slot.steps = 0
        slot.env, self.spare = self.spare or self.make(), None
        self.slots[i] = slot

    def put(self, slot, observation, info):
        spaces = self.spaces
        if not spaces.is_box:
            observation = spaces.flatten(spaces.observation, observation)
        observation = self.np.asarray(observation)
        if observation.shape != spaces.shape:
            raise ValueError(f"an observation has the shape {observation.shape}, and its space says {spaces.shape}")
        slot.obs[:] = observation if observation.ndim == 1 else observation.ravel()
        success = info.get("success")
        if success is None:
            success = info.get("is_success", False)
        slot.ints[SUCCESS] = bool(success)

    def reset(self, slot):
        observation, info = slot.env.reset(seed=slot.ints[SEED])
        self.put(slot, observation, info)
        slot.reals[REWARD] = 0.0
        slot.ints[TERMINATED] = slot.ints[TRUNCATED] = 0
        slot.steps = 0

    def step(self, slot):
        space = self.spaces.action
        if self.spaces.discrete:
            action = int(slot.action[0]) + int(space.start)
        else:
            action = slot.action.astype(space.dtype)
            if len(space.shape) != 1:
                action = action.reshape(space.shape)
        slot.steps += 1
        observation, reward, terminated, truncated, info = slot.env.step(action)
        self.put(slot, observation, info)
        slot.reals[REWARD] = float(reward)
        slot.ints[TERMINATED] = bool(terminated)
        slot.ints[TRUNCATED] = bool(truncated)

    def draw(self, slot):
        """A picture; the first one makes the environment again for that, and begins the episode again."""
        if slot.env.render_mode != "rgb_array":
            if slot.steps:
                raise RuntimeError("pictures begin with an episode")
            slot.env.close()
            slot.env = self.make(render_mode="rgb_array")
            self.reset(slot)
        picture = slot.env.render()
        shape = getattr(picture, "shape", ())
        if len(shape) != 3 or shape[2] != 3 or picture.dtype != self.np.uint8 or max(shape) > 65535:
            raise TypeError(f"render() gives {type(picture).__name__} {shape}, and no picture of [height, width, 3] bytes")
        os.ftruncate(PICTURE_FILE, picture.size)
        os.pwrite(PICTURE_FILE, self.np.ascontiguousarray(picture).data, 0)
        slot.ints[PICTURE] = shape[1] << 16 | shape[0]

    def answer(self, i):
        """Does what slot i asks for; an exception becomes its last line."""
        command = None
        try:
            if i not in self.slots:
                self.open_slot(i)
            slot = self.slots[i]
            command = slot.ints[COMMAND]
            if command == STEP:
                self.step(slot)
            elif command == RESET:
                self.reset(slot)
            elif command == DRAW:
                self.draw(slot)
            elif command == DESTROY:
                del self.slots[i]
                slot.env.close()
            slot.ints[STATUS] = 0
        except BaseException as error:
            text = last_line(error).encode()[: ERROR_SIZE - 1] + b"\0"
            at = HEADER + i * self.numbers[SLOT_SIZE]
            self.memory[at + ERROR : at + ERROR + len(text)] = text
            struct.pack_into("I", self.memory, at + 4 * STATUS, 1)
        at = HEADER + i * self.numbers[SLOT_SIZE] + 4 * DONE
        struct.pack_into("I", self.memory, at, struct.unpack_from("I", self.memory, at)[0] + 1)
        self.wake(self.base + at)

    def run(self):
        if not self.introduce():
            return 1
        numbers, ring, tail = self.numbers, RING // 4, 0
        while True:
            head = numbers[BELL]
            if head == tail:
                self.syscall(FUTEX, self.bell, FUTEX_WAIT, tail, None)
                continue
            if self.memory is None:
                self.map()
            while tail != head:
                self.answer(numbers[ring + tail % 4096])
                tail = (tail + 1) & 0xFFFFFFFF


class Slot:
    __slots__ = ("ints", "reals", "obs", "action", "env", "steps")


def main(arguments):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ml3 hears it, and ends this process
    faulthandler.register(signal.SIGUSR1, all_threads=False)  # where an environment hangs
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # workers share the cores
    sys.path.insert(0, "")
    return Worker(int(arguments[0]), int(arguments[1]), arguments[2], json.loads(arguments[3])).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
