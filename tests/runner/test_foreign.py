"""Given a script that saves in its own way, then the checkpoints it completes are reported."""

from tests.runner.given import until

SCRIPT = """
mkdir -p out
mkdir out/checkpoint-10 && echo weights > out/checkpoint-10/model && touch -d '1 hour ago' out/checkpoint-10/model
echo '{"global_step": 10}' > out/checkpoint-10/trainer_state.json
touch -d '1 hour ago' out/checkpoint-10/trainer_state.json
mkdir out/checkpoint-20 && echo weights > out/checkpoint-20/model
echo started
while ! test -e go; do sleep 0.05; done
echo '{"global_step": 20}' > out/checkpoint-20/trainer_state.json
mkdir out/checkpoint-30 && echo weights > out/checkpoint-30/model
"""


def test_whole_checkpoints_of_this_attempt_are_adopted_at_the_latest_at_its_end(spooled, tmp_path):
    where = tmp_path / "work"
    where.mkdir()
    job = spooled(
        run=SCRIPT, workdir=str(where), checkpoint_where="out", checkpoint_glob="checkpoint-*",
        complete_marker="trainer_state.json",
    ).start().says(b"started")  # fmt: skip
    assert job.read().checkpoints == ()
    (where / "go").touch()
    reading = job.finish()

    (found,) = reading.checkpoints
    assert found["step"] == 20 and found["uri"] == str(where / "out/checkpoint-20")
    assert found["trigger"] == "foreign" and found["size_bytes"] > 8 and len(found["manifest_sha256"]) == 64
    assert reading.exit["kind"] == "done" and reading.suspicious == 0 and reading.troubles == ()


def test_a_file_written_again_under_its_name_is_another_checkpoint(spooled, tmp_path):
    script = """
mkdir -p ck
for i in 1 2; do
  echo $i$i > ck/new; mv ck/new ck/last.ckpt; echo w$i
  while ! test -e go$i; do sleep 0.05; done
done
"""
    job = spooled(
        run=script, workdir=str(tmp_path), checkpoint_where=str(tmp_path / "ck"), checkpoint_glob="*.ckpt"
    )
    job.start().says(b"w1")
    until(lambda: len(job.read().checkpoints) == 1, "the first look")
    (tmp_path / "go1").touch()
    job.says(b"w2")
    (tmp_path / "go2").touch()

    found = job.finish().checkpoints
    assert len({c["id"] for c in found}) == 2 and len({c["uri"] for c in found}) == 1


def test_a_place_that_can_not_be_read_is_said_and_stops_nothing(spooled):
    job = spooled(run="echo trains", checkpoint_where="no-such-protocol://x/y", checkpoint_glob="*")
    reading = job.run()

    assert reading.exit["kind"] == "done"
    assert any("foreign checkpoints" in trouble for trouble in reading.troubles)
