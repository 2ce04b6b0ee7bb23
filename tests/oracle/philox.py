"""The streams of base/random.h in Python: Philox 4x32-10 (Salmon et al. 2011), named by (seed, purpose, task, step)."""
TRAIN, VALIDATION, TEST, RESET, ACTION, BASELINE, USER = 2, 3, 4, 5, 6, 7, 100


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]  # known answers of Random123


class Stream:
    def __init__(self, seed, purpose, task=0, step=0):
        self.key = [seed & 0xFFFFFFFF, seed >> 32]
        self.counter, self.block = [0, step, task, purpose], []

    def bits(self):
        if not self.block:
            self.block = philox(self.counter, self.key)
            self.counter[0] += 1
        return self.block.pop(0)

    def below(self, n):
        limit = 0xFFFFFFFF - 0xFFFFFFFF % n
        while (x := self.bits()) >= limit: pass
        return x % n
