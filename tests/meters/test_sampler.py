"""Given a sensor that hangs or is slow, then the runner still has the newest figures at once."""

import threading
import time

from shoestring.domain.run import MeterTotals
from shoestring.meters.sampler import EARLY_S, LONGEST_S, Sampler
from tests.runner.given import until


class Counting:
    """A meter that counts looks, and can be made to hang."""

    def __init__(self):
        self.looks = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def totals(self):
        self.go_on.wait(60)
        self.looks += 1
        return MeterTotals(sampled_s=float(self.looks))


def test_the_last_look_is_after_the_end_was_told():
    meter = Counting()
    sampler = Sampler(meter, every_s=60.0).start()
    until(lambda: meter.looks == 1)
    assert sampler.stop(timeout_s=60) and sampler.totals().sampled_s == 2.0


def test_a_sensor_that_hangs_holds_up_nobody():
    meter = Counting()
    sampler = Sampler(meter, every_s=0.01).start()
    until(lambda: meter.looks >= 2)
    meter.go_on.clear()
    begun = time.monotonic()
    assert not sampler.stop(timeout_s=0.1)
    assert sampler.totals().sampled_s >= 2.0 and time.monotonic() - begun < 30
    meter.go_on.set()
    assert sampler.stop(timeout_s=60)


def test_the_dearer_a_look_is_the_seldomer_it_is_taken():
    class Dear(Counting):
        def totals(self):
            end = time.thread_time() + 0.02
            while time.thread_time() < end:
                pass
            return super().totals()

    meter = Dear()
    sampler = Sampler(meter, every_s=0.01).start()
    until(lambda: meter.looks >= 1)
    begun = time.monotonic()
    time.sleep(0.3)  # at 10 ms a look there would be ten and more
    looks, passed_s = meter.looks, time.monotonic() - begun
    sampler.stop()
    assert looks <= 2 + len(EARLY_S) + passed_s / LONGEST_S
