"""Given sensors that come, go, wrap and lie, then totals only grow and what is missing is None."""

from dataclasses import dataclass, field, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.meters.energy import Rapl, estimate_cpu_j
from shoestring.meters.growing import Growing
from shoestring.meters.node import NodeMeter
from shoestring.meters.nvml import GpuSample, Nvml
from shoestring.meters.process import TreeUse


@dataclass
class Sensors:
    """A node made of numbers."""

    now: float = 100.0
    cpu_s: float = 0.0
    gpu: GpuSample | None = None
    energy_j: float | None = None
    memory_bytes: int | None = 1000
    disk: int | None = 0
    meter: NodeMeter = field(init=False)

    def __post_init__(self):
        self.meter = NodeMeter(
            monotonic=lambda: self.now, tree=self, rapl=_Rapl(self), open_nvml=lambda: self, cpus=lambda: 4
        )

    def use(self):
        return TreeUse(
            cpu_s=self.cpu_s, memory_bytes=self.memory_bytes, disk_read_bytes=self.disk, disk_written_bytes=None,
            net_received_bytes=None, net_sent_bytes=7,
        )  # fmt: skip

    def sample(self):
        return self.gpu

    def devices(self):
        return () if self.gpu is None else ("GPU-a",)

    def after(self, seconds, cpu_s=0.0):
        self.now += seconds
        self.cpu_s += cpu_s
        return self.meter.totals()


@dataclass
class _Rapl:
    sensors: Sensors

    def energy_j(self):
        return self.sensors.energy_j


@pytest.fixture
def node():
    sensors = Sensors()
    sensors.meter.totals()
    return sensors


def gpu(utilization=0.5, energy_j=None, power_w=None, memory_bytes=10):
    return GpuSample(utilization=utilization, memory_bytes=memory_bytes, energy_j=energy_j, power_w=power_w)


def test_a_stretch_is_busy_if_the_job_used_a_twentieth_of_a_core_or_of_its_gpus(node):
    node.after(10, cpu_s=0.4)
    assert (node.after(10, cpu_s=0.6).busy_s, node.after(0).idle_s) == (10.0, 10.0)
    node.gpu = gpu(utilization=0.9)
    totals = node.after(10)
    assert (totals.busy_s, totals.idle_s, totals.gpu_busy_s) == (20.0, 10.0, 9.0)


def test_what_no_sensor_tells_is_none_and_not_zero(node):
    totals = node.after(5)
    assert totals.disk_written_bytes is None and totals.net_received_bytes is None
    assert totals.gpu_busy_s is None and totals.gpu_memory_peak_bytes is None
    assert totals.disk_read_bytes == 0 and totals.net_sent_bytes == 7

    node.memory_bytes = None
    assert Sensors(memory_bytes=None).meter.totals().memory_peak_bytes is None
    assert node.after(1).memory_peak_bytes == 1000, "once seen, a peak stays"


def test_energy_is_measured_or_an_estimate_that_says_so_or_unknown(node):
    totals = node.after(3600, cpu_s=3600)
    assert totals.energy_kind == "estimate"
    assert totals.energy_j == pytest.approx(estimate_cpu_j(cpu_s=3600, wall_s=3600, vcpus=4))

    node.energy_j = 500.0
    assert (node.after(1).energy_j, node.after(0).energy_kind) == (500.0, "measured")
    node.gpu = gpu()
    assert (node.after(1).energy_j, node.after(0).energy_kind) == (None, None), "a GPU nobody can read"


def test_gpu_energy_is_the_counters_growth_or_power_times_time(node):
    node.energy_j = 0.0
    node.gpu = gpu(energy_j=1e6)
    node.after(1)
    node.gpu = gpu(energy_j=1e6 + 250)
    assert node.after(1).energy_j == 250

    other = Sensors(energy_j=0.0, gpu=gpu(power_w=300.0))
    other.meter.totals()
    assert other.after(10).energy_j == 3000


def test_a_gpu_that_falls_silent_keeps_its_peak_and_makes_energy_unknown(node):
    node.gpu = gpu(power_w=100.0, memory_bytes=500)
    node.after(1)
    node.gpu = GpuSample(utilization=None, memory_bytes=None, energy_j=None, power_w=None)
    totals = node.after(1)
    assert totals.gpu_memory_peak_bytes == 500 and totals.energy_j is None


looks = st.lists(
    st.tuples(
        st.floats(0, 100),  # seconds later
        st.floats(-5, 50),  # CPU seconds more, or fewer: a process was missed in this look
        st.sampled_from([None, 0.0, 0.5, 1.0]),
        st.sampled_from([None, 0, 10, 5]),
    ),
    max_size=30,
)


@given(looks)
def test_totals_only_grow_whatever_the_sensors_say(steps):
    node = Sensors(energy_j=0.0)
    before = node.meter.totals()
    for seconds, cpu_s, share, disk in steps:
        node.gpu = None if share is None else gpu(utilization=share, power_w=share * 100)
        node.disk = disk
        totals = node.after(seconds, cpu_s)
        for one in fields(totals):
            old, new = getattr(before, one.name), getattr(totals, one.name)
            if isinstance(old, int | float) and isinstance(new, int | float):
                assert new >= old, one.name
        assert totals.busy_s + totals.idle_s == pytest.approx(totals.sampled_s)
        before = totals


@given(st.lists(st.integers(0, 999), min_size=1))
def test_a_counter_that_wraps_is_followed(steps):
    wrapping, truth, reading = Growing(wraps_at=1000), 0, 0
    wrapping.see(0)
    for step in steps:
        truth, reading = truth + step, (reading + step) % 1000
        wrapping.see(reading)
    assert wrapping.total == truth


# -- the sensors themselves -------------------------------------------------------------------------------------


def zone(root, name, label, energy_uj, limit=1_000_000):
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(label + "\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")


def test_packages_add_up_and_their_parts_and_the_platform_do_not_count_twice(tmp_path):
    rapl = Rapl(root=tmp_path)
    for more in (0, 300_000):
        zone(tmp_path, "intel-rapl:0", "package-0", 900_000 + more if more == 0 else 200_000)
        zone(tmp_path, "intel-rapl:1", "package-1", 100_000 + more)
        zone(tmp_path, "intel-rapl:0:0", "core", 5_000 + 7 * more)
        zone(tmp_path, "intel-rapl:2", "psys", 5_000 + 9 * more)
        joules = rapl.energy_j()
    assert joules == pytest.approx(0.3 + 0.3), "one package wrapped on the way"


def test_counters_that_are_not_there_or_not_readable_are_none(tmp_path):
    assert Rapl(root=tmp_path / "nowhere").energy_j() is None
    zone(tmp_path, "intel-rapl:0", "package-0", 5)
    (tmp_path / "intel-rapl:0/energy_uj").unlink()
    assert Rapl(root=tmp_path).energy_j() is None


class FakeNvml:
    """nvidia-ml-py as far as it is used. ``figures``: per device; a missing one is not supported."""

    class NVMLError(Exception):
        pass

    def __init__(self, devices, broken=False):
        self.devices, self.broken = devices, broken

    def nvmlInit(self):
        if self.broken:
            raise self.NVMLError("driver not loaded")

    def nvmlDeviceGetCount(self):
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index):
        return list(self.devices)[index]

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid not in self.devices:
            raise self.NVMLError("not found")
        return uuid

    def nvmlDeviceGetUUID(self, handle):
        if self.devices[handle].get("nameless"):
            raise self.NVMLError("not supported")
        return handle

    def _get(self, handle, name):
        if name not in self.devices[handle]:
            raise self.NVMLError("not supported")
        return self.devices[handle][name]

    def nvmlDeviceGetUtilizationRates(self, handle):
        return type("Rates", (), {"gpu": self._get(handle, "busy")})

    def nvmlDeviceGetMemoryInfo(self, handle):
        return type("Memory", (), {"used": self._get(handle, "memory")})

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return self._get(handle, "energy_mj")

    def nvmlDeviceGetPowerUsage(self, handle):
        return self._get(handle, "power_mw")


DEVICES = {
    "GPU-a": {"busy": 100, "memory": 10, "energy_mj": 5000, "power_mw": 300_000},
    "GPU-b": {"busy": 50, "memory": 20, "energy_mj": 7000, "power_mw": 100_000},
    "MIG-c": {"memory": 3},
}


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("0", (1.0, 10, 5.0, 300.0)),
        ("GPU-b", (0.5, 20, 7.0, 100.0)),
        ("0, 1", (0.75, 30, 12.0, 400.0)),
        ("MIG-c", (None, 3, None, None)),
        (None, (None, 33, None, None)),
    ],
)
def test_only_the_jobs_devices_count_and_a_part_never_stands_for_the_whole(visible, expected):
    env = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    sample = Nvml(FakeNvml(DEVICES), env).sample()
    assert (sample.utilization, sample.memory_bytes, sample.energy_j, sample.power_w) == expected


@pytest.mark.parametrize("visible", ["", "-1", "GPU-unknown", "NoDevFiles"])
def test_a_job_that_sees_no_gpu_has_none(visible):
    assert Nvml(FakeNvml(DEVICES), {"CUDA_VISIBLE_DEVICES": visible}).sample() is None


def test_a_driver_that_is_not_loaded_is_no_gpu():
    assert Nvml(FakeNvml(DEVICES, broken=True), {}).sample() is None


@pytest.mark.parametrize(
    ("visible", "devices"),
    [("1", ("GPU-b",)), (None, ("GPU-a", "GPU-b", "MIG-c")), ("MIG-c", ("MIG-c",)), ("-1", ())],
)
def test_the_devices_of_a_job_are_named_by_their_uuids(visible, devices):
    env = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert Nvml(FakeNvml(DEVICES), env).devices() == devices


def test_devices_that_a_driver_does_not_name_are_unknown_and_no_driver_is_no_device():
    assert Nvml(FakeNvml({"GPU-a": {"nameless": True}}), {}).devices() is None
    assert Nvml(FakeNvml(DEVICES, broken=True), {}).devices() == ()


def test_the_meter_tells_the_jobs_devices():
    sensors = Sensors(gpu=GpuSample(utilization=0.5, memory_bytes=1, energy_j=None, power_w=None))
    assert sensors.meter.totals().devices == ("GPU-a",)
