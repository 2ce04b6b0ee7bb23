"""Prints step, name and value of every scalar in a run's one TensorBoard event file, but charts/SPS; texts by their length.

    python3 scripts/stress/events.py RUN
"""
import glob
import struct
import sys


def varint(data, at):
    x = shift = 0
    while True:
        byte = data[at]
        x |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return x, at


def fields(data):
    """Number and content of each field of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = 8 if key & 7 == 1 else 4
            value, at = data[at:at + size], at + size
        yield key >> 3, value


files = glob.glob(sys.argv[1] + "/events.out.tfevents.*")
if len(files) != 1:
    sys.exit(f"{sys.argv[1]} has {len(files)} event files, not one")
data, at = open(files[0], "rb").read(), 0
while at < len(data):
    (length,) = struct.unpack_from("<Q", data, at)
    if at + 16 + length > len(data):
        sys.exit(f"{files[0]} ends within a record")
    event = list(fields(data[at + 12:at + 12 + length]))
    at += 16 + length
    step = next((x for number, x in event if number == 2), 0)
    for summary in (x for number, x in event if number == 5):
        for value in (dict(fields(x)) for _, x in fields(summary)):
            name = value[1].decode()
            if name != "charts/SPS":
                print(step, name, value[2].hex() if 2 in value else len(value[8]))
